import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { delegatedTo, enterDelegated, findDelegated } from "./delegated.ts";
import type { CgroupLayout } from "./layout.ts";

const unified = mkdtempSync(join(tmpdir(), "gantry-delegated-"));
afterAll(() => rmSync(unified, { recursive: true }));
const layout: CgroupLayout = { unified, unifiedControllers: new Set(), legacy: new Map() };

function group(path: string, { controllers = "cpu memory", processes = "" } = {}): void {
  mkdirSync(join(unified, path), { recursive: true });
  writeFileSync(join(unified, path, "cgroup.controllers"), `${controllers}\n`);
  writeFileSync(join(unified, path, "cgroup.procs"), processes);
  writeFileSync(join(unified, path, "cgroup.subtree_control"), "");
}

test("the nearest group without other programs is taken, and its daemon is in a group below", () => {
  group("given");
  group("given/session", { processes: "1\n" });
  const found = findDelegated(layout, "/given/session", "");
  expect(found).toEqual({ path: "/given", controllers: new Set(["cpu", "memory"]) });
  if ("why" in found) throw new Error(found.why);
  enterDelegated(layout, found, "mine");
  const daemon = join(unified, "given/mine-daemon");
  expect(readFileSync(join(daemon, "cgroup.procs"), "utf8")).toBe(String(process.pid));
  expect(delegatedTo(layout, "/given/mine-daemon", "mine")).toEqual(found);
  expect(delegatedTo(layout, "/given/mine-daemon", "other")).toBeUndefined();
});

test("a group of its own is enough, one with others in it is not", () => {
  group("alone", { processes: `${process.pid}\n` });
  expect(findDelegated(layout, "/alone", "")).toMatchObject({ path: "/alone" });
  group("shared", { processes: `1\n${process.pid}\n` });
  expect(findDelegated(layout, "/shared", "")).toEqual({
    why: "has the control group /shared, but other programs in it: the daemon needs one of its own below it",
  });
});

test("a group without controllers, or of version 1, is none", () => {
  group("empty", { controllers: "" });
  expect(findDelegated(layout, "/empty", "")).toEqual({
    why: "has been given no control group of version 2",
  });
  group("memory/his");
  const legacy = new Map([["memory", join(unified, "memory")]]);
  expect(findDelegated({ ...layout, legacy }, "/empty", "4:memory:/his\n0::/empty\n")).toEqual({
    why: `has been given the control group ${unified}/memory/his of version 1, where only one of version 2 is safe to use`,
  });
});

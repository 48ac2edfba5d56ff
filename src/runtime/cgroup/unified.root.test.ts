import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { sourceTreeShimPath } from "../../platform/index.ts";
import { createTaskLauncher } from "../index.ts";
import type { LinuxResources } from "../spec/index.ts";
import { type CgroupLayout, cgroupOperations, controlGroup, readCgroupLayout } from "./index.ts";

/** The version 2 hierarchy of this machine, as if it were the only one. */
const { unified } = readCgroupLayout();
const layout: CgroupLayout = { unified, unifiedControllers: new Set(), legacy: new Map() };
const parent = `/gantry-test-${process.pid}`;
let folder: string;
let number = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-unified-"));
  for (const name of ["bin", "dev"]) mkdirSync(join(folder, "root", name), { recursive: true });
  copyFileSync("/bin/busybox", join(folder, "root/bin/busybox"));
  for (const name of ["sh", "sleep", "mknod"]) symlinkSync("busybox", join(folder, "root/bin", name));
  mkdirSync(`${unified}${parent}`);
});
afterAll(() => {
  rmdirSync(`${unified}${parent}`);
  rmSync(folder, { recursive: true, force: true });
});

async function launch(resources: LinuxResources, script: string) {
  const path = `${parent}/${++number}`;
  const id = number.toString(16).padEnd(64, "c");
  const task = await createTaskLauncher({ execRoot: folder, shimPath: sourceTreeShimPath() }).launch(id, {
    start: "on-request",
    operations: [
      { op: "stdio", terminal: true, stdin: false, stdinOnce: false, rows: 24, columns: 80 },
      { op: "namespace-new", kind: "mount" },
      { op: "namespace-new", kind: "pid" },
      ...cgroupOperations({ layout, path, resources }),
      { op: "mount-propagation", propagation: "rprivate" },
      { op: "rootfs-bind", source: join(folder, "root") },
      { op: "mount", fstype: "tmpfs", source: "dev", target: "/dev", attributes: {}, data: "" },
      {
        op: "mount",
        fstype: "devpts",
        source: "devpts",
        target: "/dev/pts",
        attributes: {},
        data: "newinstance,ptmxmode=0666",
      },
      { op: "pivot-root" },
      { op: "environment", entries: ["PATH=/bin"] },
      { op: "exec", args: ["sh", "-c", script] },
    ],
  });
  return { task, group: controlGroup(layout, path) };
}

test("the eBPF program lets through what its rules allow, and nothing else", async () => {
  const rules = ["c *:* m", "c 136:* rw", "c 5:2 rw", "c 1:5 r"].map((rule) => ({ allow: true, rule }));
  const script = `mknod /dev/zero c 1 5; mknod /dev/full c 1 7; mknod /dev/block b 7 0
    true < /dev/zero && echo zero is read; true > /dev/zero || echo zero is not written; true < /dev/full || echo full is not read
    test -e /dev/block || echo no block device`;
  const { task } = await launch({ devices: [{ allow: false, rule: "a *:* rwm" }, ...rules] }, script);
  const streams = await task.attach({ stdin: false, stdout: true, stderr: true });
  const output = text(streams.output);
  await task.start();
  await task.ended;
  const lines = (await output).split("\r\n").filter((line) => line.includes(" is ") || line.startsWith("no"));
  expect(lines).toEqual(["zero is read", "zero is not written", "full is not read", "no block device"]);
  await task.remove();
});

test("a frozen group stands still until it is thawed", async () => {
  const { task, group } = await launch({}, "while :; do :; done");
  await task.start();
  await group.freeze();
  expect(group.isFrozen()).toBe(true);
  const { usageNs } = group.statistics().cpu;
  expect(group.statistics().cpu.usageNs).toBe(usageNs);
  expect(group.processes()).toEqual([task.pid]);
  group.thaw();
  expect(group.isFrozen()).toBe(false);
  expect(group.statistics().pressure?.cpu.some.totalNs).toBeGreaterThanOrEqual(0);
  await task.signal(9);
  await task.ended;
  await task.remove();
});

test("an allowed default with one device forbidden forbids only that", async () => {
  const rules = [
    { allow: true, rule: "a *:* rwm" },
    { allow: false, rule: "c 1:5 w" },
  ];
  const script =
    "mknod /dev/zero c 1 5; mknod /dev/full c 1 7; true > /dev/zero || echo forbidden; true < /dev/full && echo allowed";
  const { task } = await launch({ devices: rules }, script);
  const streams = await task.attach({ stdin: false, stdout: true, stderr: true });
  const output = text(streams.output);
  await task.start();
  await task.ended;
  expect(await output).toMatch(/forbidden[\s\S]*allowed/);
  await task.remove();
});

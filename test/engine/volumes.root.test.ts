import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const run = async (...args: string[]) => (await daemon.docker("run", "--rm", ...args)).stdout.trim();

test("a bind mount shows the host's folder, writable or not", async () => {
  const folder = join(daemon.folder, "bound");
  mkdirSync(folder);
  writeFileSync(join(folder, "a"), "from the host");
  expect(await run("-v", `${folder}:/x`, "busybox", "sh", "-c", "cat /x/a; echo back > /x/b")).toBe(
    "from the host",
  );
  expect(readFileSync(join(folder, "b"), "utf8")).toBe("back\n");
  const readonly = await daemon.docker("run", "--rm", "-v", `${folder}:/x:ro`, "busybox", "touch", "/x/c");
  expect(readonly.stderr).toContain("Read-only file system");
});

test("-v makes a missing folder, --mount refuses one", async () => {
  const folder = join(daemon.folder, "missing");
  const { stderr } = await daemon.docker(
    "run",
    "--rm",
    "--mount",
    `type=bind,src=${folder},dst=/x`,
    "busybox",
    "true",
  );
  expect(stderr).toContain(`bind source path does not exist: ${folder}`);
  await run("-v", `${folder}:/x`, "busybox", "true");
  expect(existsSync(folder)).toBe(true);
});

test("a named volume is made on first use, filled from the image, and outlives its container", async () => {
  expect(
    await run("-v", "kept:/etc", "busybox", "sh", "-c", "cat /etc/group | head -1; echo mine > /etc/own"),
  ).toContain("root:x:0:");
  expect(await run("-v", "kept:/data", "busybox", "cat", "/data/own")).toBe("mine");
});

test("an anonymous volume goes with rm -v and with --rm", async () => {
  await daemon.docker("create", "--name", "anon", "-v", "/data", "busybox");
  const source = (await daemon.docker("inspect", "-f", "{{(index .Mounts 0).Source}}", "anon")).stdout.trim();
  expect(existsSync(source)).toBe(true);
  await daemon.docker("rm", "-v", "anon");
  expect(existsSync(source)).toBe(false);
});

test("a link in the image cannot lead a mount out of the container", async () => {
  const outside = join(daemon.folder, "outside");
  mkdirSync(outside);
  await daemon.docker("run", "--name", "trap", "busybox", "ln", "-s", `../../../../../..${outside}`, "/way");
  const folder = join(daemon.folder, "inner");
  mkdirSync(folder);
  await run("-v", `${folder}:/way/deep`, "busybox", "true");
  expect(existsSync(join(outside, "deep"))).toBe(false);
  await daemon.docker("rm", "trap");
});

/** Escapes through the runtime itself: its program, its descriptors, and the moment in which a process joins. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();
const run = (...args: string[]) => daemon.docker("run", "--rm", ...args);

test("the runtime's program cannot be overwritten from inside (CVE-2019-5736)", async () => {
  await docker("run", "-d", "--init", "--name", "over", "busybox", "sleep", "1000");
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", "over");
  const program = `/proc/${pid}/exe`;
  const before = createHash("sha256").update(readFileSync(program)).digest("hex");
  // Process 1 of the container is the runtime's program; the attack writes through its link, or through one's own.
  for (const flags of [[], ["--privileged"]]) {
    const { exitCode } = await daemon.docker(
      "exec",
      ...flags,
      "over",
      "sh",
      "-c",
      "echo owned > /proc/1/exe",
    );
    expect(exitCode).not.toBe(0);
  }
  const itself = await run("--entrypoint", "/proc/self/exe", "busybox", "sh", "-c", "true");
  expect(itself.exitCode).not.toBe(0);
  expect(createHash("sha256").update(readFileSync(program)).digest("hex")).toBe(before);
  await docker("rm", "-f", "over");
}, 60_000);

test("no descriptor of the host is open in a container, and none can be its working directory (CVE-2024-21626)", async () => {
  const open = "for f in /proc/self/fd/*; do readlink $f; done";
  const links = (await run("busybox", "sh", "-c", open)).stdout;
  expect(links.split("\n").filter((link) => /^\//.test(link) && !/^\/(proc|dev\/null)/.test(link))).toEqual(
    [],
  );
  for (let fd = 3; fd < 16; fd++) {
    const { stdout } = await run(
      "-w",
      `/proc/self/fd/${fd}`,
      "busybox",
      "sh",
      "-c",
      "cat ../../../../etc/shadow; pwd",
    );
    expect(stdout).not.toContain("root:");
  }
  await docker("run", "-d", "--name", "cwd", "busybox", "sh", "-c", "ln -s /proc/self/fd/7 /way; sleep 1000");
  const joined = await daemon.docker(
    "exec",
    "-w",
    "/way",
    "cwd",
    "sh",
    "-c",
    "ls -d ../../../../proc/1/root",
  );
  expect(joined.exitCode).not.toBe(0);
  await docker("rm", "-f", "cwd");
}, 60_000);

test("an exec has the rights of the container and not more (CVE-2022-29162)", async () => {
  await docker(
    "run",
    "-d",
    "--name",
    "caps",
    "--cap-drop",
    "ALL",
    "--cap-add",
    "CHOWN",
    "busybox",
    "sleep",
    "1000",
  );
  const sets = (...flags: string[]) => docker("exec", ...flags, "caps", "grep", "Cap", "/proc/self/status");
  const own =
    "CapInh:\t0000000000000000\nCapPrm:\t0000000000000001\nCapEff:\t0000000000000001\nCapBnd:\t0000000000000001\nCapAmb:\t0000000000000000";
  expect(await sets()).toBe(own);
  expect(await sets("-u", "1000")).toBe(own.replace(/(CapPrm|CapEff):\t\d+/g, "$1:\t0000000000000000"));
  expect(await docker("exec", "caps", "grep", "Seccomp:", "/proc/self/status")).toBe("Seccomp:\t2");
  await docker("rm", "-f", "caps");
}, 60_000);

test("a process that joins shows the container nothing of the host", async () => {
  const spy = `while :; do for p in /proc/[0-9]*; do
    for link in exe cwd root fd/0 fd/3 fd/4 fd/5 fd/6 fd/7; do readlink $p/$link; done; cat $p/environ $p/cmdline; done; done 2>/dev/null`;
  await docker("run", "-d", "--name", "spy", "--cap-add", "SYS_PTRACE", "busybox", "sh", "-c", spy);
  for (let round = 0; round < 12; round++) await docker("exec", "-u", "33", "spy", "true");
  const seen = new Set((await docker("logs", "spy")).split(/[\n\0]/));
  await docker("rm", "-f", "spy");
  expect([...seen].filter((line) => line.includes("gantry") || line.includes(daemon.folder))).toEqual([]);
}, 60_000);

test("an exec joins only a container that has become its program", async () => {
  await docker("create", "--name", "half", "busybox", "sleep", "1000");
  const early = await daemon.docker("exec", "half", "true");
  expect([early.exitCode, early.stderr.includes("is not running")]).toEqual([1, true]);
  // A start and an exec at once: either it is refused, or it runs inside.
  const [, raced] = await Promise.all([
    daemon.docker("start", "half"),
    daemon.docker("exec", "half", "readlink", "/proc/self/ns/mnt"),
  ]);
  if (raced.exitCode === 0) expect(raced.stdout.trim()).not.toBe(readlinkSync("/proc/self/ns/mnt"));
  else expect(raced.stderr).toContain("is not running");
  await docker("rm", "-f", "half");
}, 60_000);

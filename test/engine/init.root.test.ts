import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { startDaemon, type TestDaemon, untilSize } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();

test("--init reaps orphans that the program never waits for", async () => {
  // The shell in the middle ends at once, so that its child has no parent but the first process.
  const script = "sh -c 'sleep 0 & exec true'; sleep 1000";
  await docker("run", "-d", "--init", "--name", "reap", "busybox", "sh", "-c", script);
  await docker("exec", "reap", "sh", "-c", "sh -c 'sleep 0.05 & exec true'; sleep 0.2");
  const zombies = "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l";
  expect(await docker("exec", "reap", "sh", "-c", zombies)).toBe("0");
  expect(await docker("exec", "reap", "cat", "/proc/1/comm")).toBe("gantry-init");
  expect(await docker("exec", "reap", "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline")).toBe("gantry-init");
  await docker("rm", "-f", "reap");
}, 30_000);

test("an init passes signals and exit codes on", async () => {
  await docker(
    "run",
    "-d",
    "--init",
    "--name",
    "pass",
    "busybox",
    "sh",
    "-c",
    "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done",
  );
  await daemon.untilLog("pass", "up");
  await docker("stop", "pass");
  expect(await docker("inspect", "-f", "{{.State.ExitCode}}", "pass")).toBe("7");
  await docker("rm", "pass");
  expect((await daemon.docker("run", "--rm", "--init", "busybox", "sh", "-c", "kill -9 $$")).exitCode).toBe(
    137,
  );
  expect((await daemon.docker("run", "--rm", "--init", "busybox", "sh", "-c", "exit 3")).exitCode).toBe(3);
  const { exitCode, stderr } = await daemon.docker("run", "--rm", "--init", "busybox", "nope");
  expect([exitCode, stderr.includes("executable file not found in $PATH")]).toEqual([127, true]);
  const program = await daemon.docker("run", "--rm", "--init", "busybox", "sh", "-c", "echo $$ $PPID");
  expect(program.stdout).toMatch(/^[2-9] 1\n$/);
}, 30_000);

test("an init has the program's rights and none of the shim's descriptors", async () => {
  await docker("run", "-d", "--init", "--name", "rights", "-u", "33", "busybox", "sleep", "1000");
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", "rights");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  expect(/^Uid:\t(\d+)/m.exec(status)?.[1]).toBe("33");
  expect(/^CapEff:\t(\w+)/m.exec(status)?.[1]).toBe("0000000000000000");
  expect(/^Seccomp:\t(\d)/m.exec(status)?.[1]).toBe("2");
  expect(readdirSync(`/proc/${pid}/fd`)).toEqual(["0", "1", "2"]);
  const exe = await docker("exec", "-u", "0", "rights", "sh", "-c", "readlink /proc/1/exe || echo hidden");
  expect(exe).toBe("hidden");
  await docker("rm", "-f", "rights");
}, 30_000);

test("an init hands the terminal to the program", async () => {
  const { stdout } = await daemon.inTerminal(
    { rows: 20, columns: 70, input: `${untilSize(20, 70)}; stty size; jobs; exit 4\n` },
    "run",
    "--rm",
    "-it",
    "--init",
    "busybox",
    "sh",
  );
  expect(stdout).toContain("\r\n20 70\r\n");
  expect(stdout).not.toContain("can't access tty");
}, 30_000);

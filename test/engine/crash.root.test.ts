import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, startWeb, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();

test("after kill -9 of the daemon a container goes on, and its log has every line", async () => {
  const count =
    "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); [ $((i % 300)) = 0 ] && sleep 0.1; done; exec sleep 1000";
  await docker("run", "-d", "--name", "counts", "busybox", "sh", "-c", count);
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", "counts");
  await daemon.kill9();
  await daemon.restart();
  expect(await docker("inspect", "-f", "{{.State.Pid}} {{.State.Running}}", "counts")).toBe(`${pid} true`);
  await daemon.untilLog("counts", "2999");
  const lines = (await docker("logs", "counts")).split("\n");
  expect(lines).toEqual(Array.from({ length: 3000 }, (_, i) => String(i)));
  expect(await docker("exec", "counts", "echo", "reached")).toBe("reached");
  await docker("rm", "-f", "counts");
}, 60_000);

test("the exit code of a container that ended while no daemon ran is not lost", async () => {
  await docker("run", "-d", "--name", "ends", "busybox", "sh", "-c", "sleep 1; exit 42");
  const pid = Number(await docker("inspect", "-f", "{{.State.Pid}}", "ends"));
  await daemon.kill9();
  await daemon.untilProcessEnds(pid);
  await daemon.restart();
  expect(await docker("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "ends")).toBe("exited 42");
  await docker("rm", "ends");
}, 60_000);

test("--rm is kept even when the daemon dies in between", async () => {
  await docker("run", "-d", "--rm", "--name", "gone", "busybox", "sleep", "1");
  const pid = Number(await docker("inspect", "-f", "{{.State.Pid}}", "gone"));
  await daemon.kill9();
  await daemon.untilProcessEnds(pid);
  await daemon.restart();
  await daemon.untilNoContainer("gone");
  expect(await docker("ps", "-aq")).toBe("");
}, 60_000);

test("SIGTERM stops the daemon and no container; published ports and addresses stay with it", async () => {
  await startWeb(daemon, "stays", "-p", "127.0.0.1:0:80");
  const port =
    (await docker("port", "stays", "80")).split(":").pop() ??
    (await docker(
      "inspect",
      "-f",
      '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}',
      "stays",
    ));
  const fetched = async () => (await fetch(`http://127.0.0.1:${port}/hostname`)).status;
  expect(await fetched()).toBe(200);
  await daemon.stop();
  expect(await fetched()).toBe(200);
  await daemon.restart();
  expect(await fetched()).toBe(200);
  await docker("rm", "-f", "stays");
}, 60_000);

test("a layer that nobody can remove keeps no daemon from starting, and goes once it can be", async () => {
  await docker("run", "--name", "stubborn", "busybox", "touch", "/file");
  const upper = await docker("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", "stubborn");
  // As a container with CAP_LINUX_IMMUTABLE may do.
  execFileSync("chattr", ["+i", join(upper, "file")]);
  try {
    expect((await daemon.docker("rm", "stubborn")).exitCode).toBe(1);
    await daemon.stop();
    await daemon.restart();
    expect(readFileSync(daemon.logFile, "utf8")).toContain("a layer of nobody's, stays");
  } finally {
    execFileSync("chattr", ["-i", join(upper, "file")]);
  }
  await daemon.stop();
  await daemon.restart();
  expect(existsSync(upper)).toBe(false);
}, 60_000);

test("a second daemon on the same data root is refused", async () => {
  const { exitCode, stderr } = await daemon.gantryDaemonOnSameRoot();
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain("is in use by another daemon");
}, 30_000);

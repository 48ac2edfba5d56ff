import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();
const state = (name: string, field: string) => docker("inspect", "-f", `{{.State.${field}}}`, name);

test("a paused container stands still, says so everywhere, and goes on", async () => {
  const script = "while :; do date +%s%N > /now; done";
  await docker("run", "-d", "--name", "still", "busybox", "sh", "-c", script);
  const root = `/proc/${await state("still", "Pid")}/root/now`;
  await docker("exec", "still", "true");
  expect(await docker("pause", "still")).toBe("still");
  const before = readFileSync(root, "utf8");
  expect([
    await state("still", "Status"),
    await state("still", "Running"),
    await state("still", "Paused"),
  ]).toEqual(["paused", "true", "true"]);
  expect(await docker("ps", "--format", "{{.Status}}", "--filter", "status=paused")).toEndWith("(Paused)");
  expect(await docker("info", "-f", "{{.ContainersPaused}} {{.ContainersRunning}}")).toBe("1 0");
  expect((await daemon.docker("exec", "still", "true")).stderr).toContain(
    "is paused, unpause the container before exec",
  );
  expect((await daemon.docker("pause", "still")).stderr).toContain("is already paused");
  expect((await daemon.docker("start", "still")).stderr).toContain(
    "cannot start a paused container, try unpause instead",
  );
  expect((await daemon.docker("rm", "still")).stderr).toContain("container is paused: unpause and then stop");
  expect(readFileSync(root, "utf8")).toBe(before);
  expect(await docker("unpause", "still")).toBe("still");
  expect(
    await docker("exec", "still", "sh", "-c", "until [ $(cat /now) != $1 ]; do :; done; echo on", "", before),
  ).toBe("on");
  expect((await daemon.docker("unpause", "still")).stderr).toContain("is not paused");
  await docker("rm", "-f", "still");
}, 30_000);

test("stop and kill reach a paused container, and its restart by the daemon finds it as the kernel has it", async () => {
  await docker("run", "-d", "--name", "held", "busybox", "sleep", "1000");
  await docker("pause", "held");
  await daemon.kill9();
  await daemon.restart();
  expect(await state("held", "Status")).toBe("paused");
  await docker("stop", "-t", "0", "held");
  expect(await state("held", "Status")).toBe("exited");
  await docker("start", "held");
  await docker("pause", "held");
  await docker("kill", "held");
  expect([await state("held", "Status"), await state("held", "ExitCode")]).toEqual(["exited", "137"]);
  expect((await daemon.docker("pause", "held")).stderr).toContain("is not running");
  await docker("rm", "held");
}, 30_000);

test("pause and unpause are events, and the client has both commands", async () => {
  await docker("run", "-d", "--name", "told", "busybox", "sleep", "1000");
  expect((await daemon.gantry("pause", "told")).stdout).toBe("told\n");
  expect((await daemon.gantry("unpause", "told")).stdout).toBe("told\n");
  await daemon.untilEvent({ container: "told", event: "unpause" }, 1);
  await docker("rm", "-f", "told");
}, 30_000);

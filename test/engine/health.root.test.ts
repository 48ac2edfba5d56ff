import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

async function docker(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await daemon.docker(...args);
  if (exitCode !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
const health = (container: string, field: string) =>
  docker("inspect", "-f", `{{json .State.Health.${field}}}`, container);

test("a container is starting, then healthy, then ill, as its check finds it", async () => {
  // The first check waits for the file, however long this machine takes to make it.
  const script = "test -e /ill && exit 1; until [ -e /well ]; do sleep 0.01; done; cat /well";
  const check = ["--health-cmd", script, "--health-interval", "100ms", "--health-retries", "2"];
  await docker("run", "-d", "--name", "patient", ...check, "busybox", "sleep", "1000");
  expect(await docker("ps", "--format", "{{.Status}}")).toContain("(health: starting)");
  await docker("exec", "patient", "sh", "-c", "echo fine > /well");
  await daemon.untilEvent({ container: "patient", event: "health_status" }, 1);
  expect(await health("patient", "Status")).toBe('"healthy"');
  expect(JSON.parse(await health("patient", "Log")).at(-1)).toMatchObject({ ExitCode: 0, Output: "fine\n" });
  expect(await docker("ps", "--filter", "health=healthy", "--format", "{{.Names}} {{.Status}}")).toContain(
    "(healthy)",
  );
  await docker("exec", "patient", "touch", "/ill");
  await daemon.untilEvent({ container: "patient", event: "health_status" }, 2);
  expect(await health("patient", "Status")).toBe('"unhealthy"');
  expect(Number(await health("patient", "FailingStreak"))).toBeGreaterThanOrEqual(2);
  await docker("restart", "-t", "0", "patient");
  expect(await health("patient", "Status")).toBe('"starting"');
  await docker("rm", "-f", "patient");
});

test("a check that takes too long is killed and has failed", async () => {
  const check = [
    "--health-cmd",
    "echo began; sleep 1000",
    "--health-interval",
    "50ms",
    "--health-timeout",
    "200ms",
    "--health-retries",
    "1",
  ];
  await docker("run", "-d", "--name", "slow", ...check, "busybox", "sleep", "1000");
  await daemon.untilEvent({ container: "slow", event: "health_status" }, 1);
  const [first] = JSON.parse(await health("slow", "Log"));
  expect(first).toMatchObject({ ExitCode: -1, Output: "Health check exceeded timeout (0.2s): began\n" });
  await docker("rm", "-f", "slow");
});

test("what checks have found is known to the next daemon", async () => {
  const check = ["--health-cmd", "cat /well", "--health-interval", "100ms", "--health-retries", "2"];
  await docker("run", "-d", "--name", "lasting", ...check, "busybox", "sleep", "1000");
  await docker("run", "-d", "--name", "ended", ...check, "busybox", "sleep", "1000");
  for (const container of ["lasting", "ended"])
    await daemon.untilEvent({ container, event: "health_status" }, 1);
  await docker("stop", "-t", "0", "ended");
  const first = JSON.parse(await health("ended", "Log"));
  const streak = Number(await health("lasting", "FailingStreak"));
  await daemon.kill9();
  await daemon.restart();
  expect(await health("lasting", "Status")).toBe('"unhealthy"');
  expect(Number(await health("lasting", "FailingStreak"))).toBeGreaterThanOrEqual(streak);
  expect(JSON.parse(await health("lasting", "Log"))).not.toEqual([]);
  expect(JSON.parse(await health("ended", "Log"))).toEqual(first);
  // It is looked after as before.
  await docker("exec", "lasting", "sh", "-c", "echo fine > /well");
  await daemon.untilEvent({ container: "lasting", event: "health_status" }, 1);
  expect(await health("lasting", "Status")).toBe('"healthy"');
  expect(await health("lasting", "FailingStreak")).toBe("0");
  await docker("rm", "-f", "lasting", "ended");
});

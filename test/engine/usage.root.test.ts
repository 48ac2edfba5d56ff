import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();

test("top shows the processes of a container, those of its execs too, with the columns asked for", async () => {
  await docker("run", "-d", "--name", "top1", "busybox", "sleep", "1234");
  await docker("exec", "-d", "top1", "sleep", "4321");
  const [head = "", ...rows] = (await docker("top", "top1")).split("\n");
  expect(head.split(/\s+/)).toEqual(["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
  expect(
    rows
      .map((row) =>
        row
          .trim()
          .split(/\s{2,}/)
          .at(-1),
      )
      .sort(),
  ).toEqual(["sleep 1234", "sleep 4321"]);
  expect((await docker("top", "top1", "-o", "pid,comm")).split("\n")[0]).toMatch(/^PID +COMMAND$/);
  expect((await daemon.docker("top", "top1", "-o", "comm")).stderr).toContain(
    "Couldn't find PID field in ps output",
  );
  expect((await daemon.gantry("top", "top1")).stdout).toContain("sleep 1234");
  await docker("stop", "-t", "0", "top1");
  expect((await daemon.docker("top", "top1")).stderr).toContain("is not running");
  await docker("rm", "top1");
}, 30_000);

test("stats counts memory, processes, CPU and network of a container", async () => {
  await docker(
    "run",
    "-d",
    "--name",
    "st1",
    "-m",
    "64m",
    "--pids-limit",
    "50",
    "busybox",
    "sh",
    "-c",
    "while :; do :; done",
  );
  const { body } = await daemon.api("GET", "/containers/st1/stats?stream=0");
  const sample = JSON.parse(body);
  expect(sample.memory_stats.limit).toBe(64 * 1024 * 1024);
  expect(sample.memory_stats.usage).toBeGreaterThan(0);
  expect(sample.pids_stats).toEqual({ current: 1, limit: 50 });
  expect(sample.networks.eth0.rx_bytes).toBeGreaterThanOrEqual(0);
  expect(sample.cpu_stats.cpu_usage.total_usage).toBeGreaterThan(sample.precpu_stats.cpu_usage.total_usage);
  expect(sample.pressure_stats?.cpu.some.totalNs ?? 0).toBeGreaterThanOrEqual(0);
  const format = "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}";
  for (const client of [daemon.docker.bind(daemon), daemon.gantry.bind(daemon)]) {
    const { stdout } = await client("stats", "--no-stream", "--format", format, "st1");
    const [, percent = "", limit, pids] =
      /^st1 ([\d.]+)% [\d.]+[KMG]iB \/ (64MiB) (\d+)\n$/.exec(stdout) ?? [];
    expect(Number(percent)).toBeGreaterThan(20);
    expect([limit, pids]).toEqual(["64MiB", "1"]);
  }
  const once = JSON.parse((await daemon.api("GET", "/containers/st1/stats?stream=0&one-shot=1")).body);
  expect(once.precpu_stats.cpu_usage.total_usage).toBe(0);
  await docker("rm", "-f", "st1");
  expect((await daemon.api("GET", "/containers/st1/stats")).status).toBe(404);
}, 30_000);

test("a stream of stats ends with its container; of a stopped one there is nothing to count", async () => {
  await docker("create", "--name", "idle", "busybox", "sleep", "1000");
  const stopped = JSON.parse((await daemon.api("GET", "/containers/idle/stats?stream=0")).body);
  expect([stopped.read, stopped.name, stopped.memory_stats]).toEqual(["0001-01-01T00:00:00Z", "/idle", {}]);
  const stream = daemon.api("GET", "/containers/idle/stats");
  await docker("rm", "idle");
  expect((await stream).body.split("\n").length).toBeGreaterThanOrEqual(2);
}, 30_000);

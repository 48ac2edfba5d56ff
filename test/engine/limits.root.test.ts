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
const inside = (flags: string[], script: string) =>
  docker("run", "--rm", ...flags, "busybox", "sh", "-c", script);
const runs = (flags: string[], script: string) =>
  daemon.docker("run", "--rm", ...flags, "busybox", "sh", "-c", script);

/** A value of the container's own group, as the host has it. */
async function ofGroup(name: string, controller: string, file: string): Promise<string> {
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", name);
  const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  const path = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, "m").exec(groups)?.[1] ?? "";
  return readFileSync(`/sys/fs/cgroup/${controller}${path}/${file}`, "utf8").trim();
}

test("resource flags reach the control groups", async () => {
  const flags =
    "-m 64m --memory-reservation 32m --memory-swap 96m --cpu-shares 77 --cpu-quota 50000 --cpu-period 100000 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 33";
  await docker("run", "-d", "--name", "lim", ...flags.split(" "), "busybox", "sleep", "1000");
  const MIB = 1024 * 1024;
  expect(await ofGroup("lim", "memory", "memory.limit_in_bytes")).toBe(String(64 * MIB));
  expect(await ofGroup("lim", "memory", "memory.soft_limit_in_bytes")).toBe(String(32 * MIB));
  expect(await ofGroup("lim", "memory", "memory.memsw.limit_in_bytes")).toBe(String(96 * MIB));
  expect(await ofGroup("lim", "cpu", "cpu.shares")).toBe("77");
  expect(await ofGroup("lim", "cpu", "cpu.cfs_quota_us")).toBe("50000");
  expect(await ofGroup("lim", "cpuset", "cpuset.cpus")).toBe("0");
  expect(await ofGroup("lim", "pids", "pids.max")).toBe("33");
  expect(await docker("exec", "lim", "nproc")).toBe("1");
  await docker("rm", "-f", "lim");
}, 30_000);

test("memory beyond the limit ends the container, and everybody is told why", async () => {
  await docker(
    "run",
    "-d",
    "--name",
    "oom",
    "-m",
    "16m",
    "--memory-swap",
    "16m",
    "busybox",
    "sh",
    "-c",
    "tail /dev/zero",
  );
  await docker("wait", "oom");
  expect(await docker("inspect", "-f", "{{.State.OOMKilled}} {{.State.ExitCode}}", "oom")).toBe("true 137");
  await daemon.untilEvent({ container: "oom", event: "oom" }, 1);
  await docker("rm", "oom");
}, 30_000);

test("limits that the kernel lacks are dropped with Docker's warning, not silently", async () => {
  const { stderr, stdout } = await daemon.docker(
    "run",
    "--rm",
    "--blkio-weight",
    "300",
    "busybox",
    "echo",
    "ran",
  );
  const known = stderr === "";
  expect([stdout, known || stderr.includes("Your kernel does not support Block I/O weight")]).toEqual([
    "ran\n",
    true,
  ]);
}, 30_000);

test("ulimits, shm-size, oom-score-adj and read-only are seen from inside", async () => {
  expect(await inside(["--ulimit", "nofile=123:456"], "ulimit -n; ulimit -Hn")).toBe("123\n456");
  expect(await inside(["--ulimit", "core=0"], "ulimit -c")).toBe("0");
  expect(await inside(["--shm-size", "5m"], "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2")).toBe(
    "5120",
  );
  expect(await inside(["--oom-score-adj", "345"], "cat /proc/self/oom_score_adj")).toBe("345");
  const readonly = await runs(["--read-only"], "touch /x; touch /tmp/x; touch /dev/shm/ok && echo shm");
  expect(readonly.stdout).toBe("shm\n");
  expect(readonly.stderr.match(/Read-only file system/g)).toHaveLength(2);
}, 30_000);

test("device throttles are set for the device that is named", async () => {
  const disk = /^(?:\s*\d+){3} ([vsx]?[a-z]+[a-z0-9]*)$/m.exec(readFileSync("/proc/partitions", "utf8"))?.[1];
  if (disk === undefined) return;
  await docker(
    "run",
    "-d",
    "--name",
    "thr",
    "--device-read-bps",
    `/dev/${disk}:1mb`,
    "--device-write-iops",
    `/dev/${disk}:50`,
    "busybox",
    "sleep",
    "1000",
  );
  expect(await ofGroup("thr", "blkio", "blkio.throttle.read_bps_device")).toEndWith(" 1048576");
  expect(await ofGroup("thr", "blkio", "blkio.throttle.write_iops_device")).toEndWith(" 50");
  await docker("rm", "-f", "thr");
  const { exitCode, stderr } = await runs(["--device-read-bps", "/dev/null:1mb"], "true");
  expect([exitCode, stderr.includes("/dev/null is no block device")]).toEqual([125, true]);
}, 30_000);

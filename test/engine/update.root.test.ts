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
const MIB = 1024 * 1024;

/**
 * A limit as the host's own control group has it, which must be what the container sees; `legacy` and `unified` are the
 * files of the two versions.
 */
async function limit(name: string, legacy: string, unified: string): Promise<string> {
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", name);
  const [controller = ""] = legacy.split(".");
  const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  const path = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, "m").exec(groups)?.[1];
  const group = /^0::(.*)$/m.exec(groups)?.[1] ?? "";
  const [outside, inside] =
    path === undefined ? [group, unified] : [`/${controller}${path}`, `${controller}/${legacy}`];
  const file = path === undefined ? unified : legacy;
  const value = readFileSync(`/sys/fs/cgroup${outside}/${file}`, "utf8").trim();
  expect(await docker("exec", name, "cat", `/sys/fs/cgroup/${inside}`)).toBe(value);
  return value;
}

test("limits of a running container change in the kernel and in inspect, up and down", async () => {
  await docker(
    "run",
    "-d",
    "--name",
    "up",
    "-m",
    "64m",
    "--cpus",
    "0.5",
    "--pids-limit",
    "100",
    "busybox",
    "sleep",
    "1000",
  );
  expect(await docker("inspect", "-f", "{{.HostConfig.MemorySwap}}", "up")).toBe(String(128 * MIB));
  expect((await daemon.docker("update", "-m", "256m", "up")).stderr).toContain(
    "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
  );
  expect(await docker("update", "-m", "256m", "--memory-swap", "512m", "--pids-limit", "7", "up")).toBe("up");
  expect(await limit("up", "memory.limit_in_bytes", "memory.max")).toBe(String(256 * MIB));
  expect(await limit("up", "pids.max", "pids.max")).toBe("7");
  await docker(
    "update",
    "-m",
    "32m",
    "--memory-swap",
    "32m",
    "--cpu-shares",
    "512",
    "--cpuset-cpus",
    "0",
    "up",
  );
  expect(await limit("up", "memory.limit_in_bytes", "memory.max")).toBe(String(32 * MIB));
  expect(await limit("up", "cpu.shares", "cpu.weight")).toMatch(/^(512|20)$/);
  expect(await limit("up", "cpuset.cpus", "cpuset.cpus")).toBe("0");
  await docker("update", "--memory-reservation", "16m", "--cpuset-mems", "0", "up");
  expect(await limit("up", "memory.soft_limit_in_bytes", "memory.low")).toBe(String(16 * MIB));
  expect(await limit("up", "cpuset.mems", "cpuset.mems")).toBe("0");
  await docker("update", "--cpus", "1.5", "up");
  expect(await limit("up", "cpu.cfs_quota_us", "cpu.max")).toContain("150000");
  expect(
    await docker(
      "inspect",
      "-f",
      "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.CpuShares}}",
      "up",
    ),
  ).toBe(`${32 * MIB} 1500000000 512`);
  expect((await daemon.docker("update", "--cpu-quota", "50000", "up")).stderr).toContain(
    "CPU Quota cannot be updated as NanoCPUs has already been set",
  );
  await daemon.untilEvent({ container: "up", event: "update" }, 3);
  // What was changed is what the next start uses.
  await docker("restart", "-t", "0", "up");
  await docker("create", "--name", "parts", "busybox", "sleep", "1000");
  await docker("update", "--cpu-period", "50000", "--cpu-quota", "25000", "parts");
  await docker("start", "parts");
  expect(await limit("parts", "cpu.cfs_quota_us", "cpu.max")).toMatch(/^25000( 50000)?$/);
  expect(await limit("parts", "cpu.cfs_period_us", "cpu.max")).toMatch(/50000$/);
  await docker("rm", "-f", "parts");
  expect(await limit("up", "memory.limit_in_bytes", "memory.max")).toBe(String(32 * MIB));
  await docker("rm", "-f", "up");
}, 30_000);

test("the restart policy can change, but not beside --rm; bad values are refused and change nothing", async () => {
  await docker("run", "-d", "--name", "po", "busybox", "sleep", "1000");
  expect((await daemon.gantry("update", "--restart", "on-failure:2", "po")).stdout).toBe("po\n");
  expect(await docker("inspect", "-f", "{{.HostConfig.RestartPolicy}}", "po")).toBe("{on-failure 2}");
  expect((await daemon.docker("update", "-m", "1m", "po")).stderr).toContain(
    "Minimum memory limit allowed is 6MB",
  );
  expect((await daemon.docker("update", "--cpuset-cpus", "77", "po")).stderr).toContain(
    "Requested CPUs are not available",
  );
  expect(await docker("inspect", "-f", "{{.HostConfig.CpusetCpus}}", "po")).toBe("");
  expect((await daemon.gantry("update", "po")).exitCode).not.toBe(0);
  await docker("rm", "-f", "po");
  await docker("run", "-d", "--rm", "--name", "brief", "busybox", "sleep", "1000");
  expect((await daemon.docker("update", "--restart", "always", "brief")).stderr).toContain(
    "Restart policy cannot be updated because AutoRemove is enabled for the container",
  );
  await docker("rm", "-f", "brief");
}, 30_000);

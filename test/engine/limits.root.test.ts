import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

/** Groups of version 1 know real-time processor time where the kernel was built for it. */
const HAS_REALTIME = existsSync("/sys/fs/cgroup/cpu/cpu.rt_runtime_us");
/** And bfq, the scheduler of disks that keeps weights. */
const HAS_BFQ = readdirSync("/sys/block")
  .map((disk) => `/sys/block/${disk}/queue/scheduler`)
  .some((file) => existsSync(file) && readFileSync(file, "utf8").includes("bfq"));
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon(HAS_REALTIME ? ["--cpu-rt-runtime", "20000"] : []);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();
const runs = (flags: string[], script: string) =>
  daemon.docker("run", "--rm", ...flags, "busybox", "sh", "-c", script);

/** A value of the container's own group, as the host has it. */
async function ofGroup(name: string, controller: string, file: string): Promise<string> {
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", name);
  const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  const path = new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, "m").exec(groups)?.[1] ?? "";
  return readFileSync(`/sys/fs/cgroup/${controller}${path}/${file}`, "utf8").trim();
}

const MIB = 1024 * 1024;
/** Wants more memory until it is ended, and takes it by itself: where the kernel writes for it, a call would fail. */
const GREEDY = "x=a; while :; do x=$x$x; done";

test("resource flags reach the control groups, as the host sees them and as the container does", async () => {
  const flags = [
    "-m 64m --memory-reservation 32m --memory-swap 96m --memory-swappiness 7 --oom-kill-disable",
    "--cpu-shares 77 --cpu-quota 50000 --cpu-period 100000 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 33",
  ];
  await docker("run", "-d", "--name", "lim", ...flags.join(" ").split(" "), "busybox", "sleep", "1000");
  const values: [controller: string, file: string, value: string][] = [
    ["memory", "memory.limit_in_bytes", String(64 * MIB)],
    ["memory", "memory.soft_limit_in_bytes", String(32 * MIB)],
    ["memory", "memory.memsw.limit_in_bytes", String(96 * MIB)],
    ["memory", "memory.swappiness", "7"],
    ["cpu", "cpu.shares", "77"],
    ["cpu", "cpu.cfs_quota_us", "50000"],
    ["cpu", "cpu.cfs_period_us", "100000"],
    ["cpuset", "cpuset.cpus", "0"],
    ["cpuset", "cpuset.mems", "0"],
    ["pids", "pids.max", "33"],
  ];
  const outside = await Promise.all(values.map(([controller, file]) => ofGroup("lim", controller, file)));
  expect(outside).toEqual(values.map(([, , value]) => value));
  const files = values.map(([controller, file]) => `/sys/fs/cgroup/${controller}/${file}`);
  expect((await docker("exec", "lim", "cat", ...files)).split("\n")).toEqual(outside);
  expect(await docker("exec", "lim", "nproc")).toBe("1");
  await docker("rm", "-f", "lim");
}, 30_000);

test("--cpus makes a busy container wait, and both sides see that it did", async () => {
  await docker("run", "-d", "--name", "slow", "--cpus", "0.05", "busybox", "sleep", "1000");
  await docker("exec", "slow", "sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done");
  const files = ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.stat"];
  const outside = await Promise.all(files.map((file) => ofGroup("slow", "cpu", file)));
  const paths = files.map((file) => `/sys/fs/cgroup/cpu/${file}`);
  const inside = await docker("exec", "slow", "cat", ...paths);
  for (const text of [outside.join("\n"), inside]) {
    expect(text).toMatch(/^5000\n100000\n/);
    expect(Number(/^nr_throttled (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
  }
  await docker("rm", "-f", "slow");
}, 30_000);

test("with --oom-kill-disable a program that wants more memory waits until someone ends it", async () => {
  const flags = "-m 16m --memory-swap 16m --oom-kill-disable".split(" ");
  await docker("run", "-d", "--name", "waits", ...flags, "busybox", "sh", "-c", GREEDY);
  await daemon.untilEvent({ container: "waits", event: "oom" }, 1);
  const control = await ofGroup("waits", "memory", "memory.oom_control");
  expect(control).toMatch(/^oom_kill_disable 1\nunder_oom 1\n/);
  expect(await docker("inspect", "-f", "{{.State.Running}}", "waits")).toBe("true");
  expect(await docker("kill", "waits")).toBe("waits");
  expect(await docker("wait", "waits")).toBe("137");
  await docker("rm", "waits");
  const inside = await runs(flags, "cat /sys/fs/cgroup/memory/memory.oom_control");
  expect(inside.stdout).toStartWith("oom_kill_disable 1\nunder_oom 0\n");
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

test("of a container that goes on when one of its processes is killed, the event comes at once", async () => {
  const script = `sh -c '${GREEDY}'; echo ended; exec sleep 1000`;
  const flags = "-m 16m --memory-swap 16m".split(" ");
  await docker("run", "-d", "--name", "goes-on", ...flags, "busybox", "sh", "-c", script);
  await daemon.untilEvent({ container: "goes-on", event: "oom" }, 1);
  await daemon.untilLog("goes-on", "ended");
  expect(await docker("inspect", "-f", "{{.State.Running}}", "goes-on")).toBe("true");
  expect(await docker("rm", "-f", "goes-on")).toBe("goes-on");
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
  // The kernel's own memory: Docker 20.10 still asks for it, our client takes the flag.
  const bare = await daemon.gantry("run", "--rm", "--kernel-memory", "50m", "busybox", "echo", "ran");
  expect([bare.stdout, bare.stderr]).toEqual([
    "ran\n",
    expect.stringContaining("Your kernel does not support kernel memory limit capabilities"),
  ]);
}, 30_000);

test("limits and rights of the process are what was asked for, seen from the host and from inside", async () => {
  const flags = [
    "--ulimit nofile=123:456 --ulimit core=0 --shm-size 5m --oom-score-adj 345 --read-only -u 5:6 --group-add 7",
    "--cap-drop ALL --cap-add KILL --security-opt no-new-privileges --sysctl net.core.somaxconn=77",
    "--hostname inner --domainname example.test",
  ];
  await docker("run", "-d", "--name", "own", ...flags.join(" ").split(" "), "busybox", "sleep", "1000");
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", "own");
  const files = ["status", "limits", "oom_score_adj", "mountinfo"];
  const outside = files.map((file) => readFileSync(`/proc/${pid}/${file}`, "utf8"));
  const inside = await Promise.all(
    files.map((file) => daemon.docker("exec", "own", "cat", `/proc/1/${file}`)),
  );
  for (const [status = "", limits = "", score = "", mounts = ""] of [
    outside,
    inside.map(({ stdout }) => stdout),
  ]) {
    expect(status).toMatch(/^Uid:\t5\t5\t5\t5\nGid:\t6\t6\t6\t6$/m);
    expect(status).toMatch(/^Groups:\t6 7 ?$/m);
    expect(status).toMatch(/^CapBnd:\t0{14}20$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1\nSeccomp:\t2$/m);
    expect(limits).toMatch(/^Max open files +123 +456 /m);
    expect(limits).toMatch(/^Max core file size +0 +0 /m);
    expect(score).toBe("345\n");
    expect(mounts).toMatch(/ \/ \/ ro,/);
    expect(mounts).toMatch(/ \/dev\/shm .*,size=5120k/);
  }
  const names = ["hostname", "domainname"].map((name) => `/proc/sys/kernel/${name}`);
  expect(execFileSync("nsenter", ["-t", pid, "-u", "cat", ...names], { encoding: "utf8" })).toBe(
    "inner\nexample.test\n",
  );
  expect(await docker("exec", "own", "cat", ...names)).toBe("inner\nexample.test");
  const somaxconn = "/proc/sys/net/core/somaxconn";
  expect(execFileSync("nsenter", ["-t", pid, "-n", "cat", somaxconn], { encoding: "utf8" })).toBe("77\n");
  expect(await docker("exec", "own", "cat", somaxconn)).toBe("77");
  await docker("rm", "-f", "own");
  const readonly = await runs(["--read-only"], "touch /x; touch /tmp/x; touch /dev/shm/ok && echo shm");
  expect(readonly.stdout).toBe("shm\n");
  expect(readonly.stderr.match(/Read-only file system/g)).toHaveLength(2);
}, 30_000);

test("device throttles are set for the device that is named", async () => {
  const disk = /^(?:\s*\d+){3} ([vsx]?[a-z]+[a-z0-9]*)$/m.exec(readFileSync("/proc/partitions", "utf8"))?.[1];
  if (disk === undefined) return;
  const device = `/dev/${disk}`;
  const flags = [
    `--device-read-bps ${device}:1mb --device-write-bps ${device}:2mb`,
    `--device-read-iops ${device}:40 --device-write-iops ${device}:50`,
  ];
  await docker("run", "-d", "--name", "thr", ...flags.join(" ").split(" "), "busybox", "sleep", "1000");
  const files = ["read_bps", "write_bps", "read_iops", "write_iops"].map(
    (kind) => `blkio.throttle.${kind}_device`,
  );
  const outside = await Promise.all(files.map((file) => ofGroup("thr", "blkio", file)));
  expect(outside.map((line) => line.split(" ")[1])).toEqual([String(MIB), String(2 * MIB), "40", "50"]);
  const inside = await docker("exec", "thr", "cat", ...files.map((file) => `/sys/fs/cgroup/blkio/${file}`));
  expect(inside.split("\n")).toEqual(outside);
  await docker("rm", "-f", "thr");
  const { exitCode, stderr } = await runs(["--device-read-bps", "/dev/null:1mb"], "true");
  expect([exitCode, stderr.includes("/dev/null is no block device")]).toEqual([125, true]);
}, 30_000);

test.skipIf(!HAS_BFQ)(
  "a disk has a weight where its scheduler keeps weights",
  async () => {
    const image = join(daemon.folder, "disk.img");
    writeFileSync(image, "");
    truncateSync(image, 16 * MIB);
    const disk = execFileSync("losetup", ["-f", "--show", image], { encoding: "utf8" }).trim();
    const queue = `/sys/block/${basename(disk)}`;
    const flags = ["--blkio-weight", "300", "--blkio-weight-device", `${disk}:700`];
    try {
      writeFileSync(`${queue}/queue/scheduler`, "none");
      const { exitCode, stderr } = await runs(flags, "true");
      expect(exitCode).toBe(125);
      expect(stderr).toContain(`${disk} has no weights (blkio-weight-device): it needs the scheduler bfq`);
      writeFileSync(`${queue}/queue/scheduler`, "bfq");
      await docker("run", "-d", "--name", "weighed", ...flags, "busybox", "sleep", "1000");
      const file = "blkio.bfq.weight_device";
      const outside = await ofGroup("weighed", "blkio", file);
      expect(outside).toBe(`default 300\n${readFileSync(`${queue}/dev`, "utf8").trim()} 700`);
      expect(await docker("exec", "weighed", "cat", `/sys/fs/cgroup/blkio/${file}`)).toBe(outside);
      await docker("rm", "-f", "weighed");
    } finally {
      // The device would keep it for whoever has it next.
      writeFileSync(`${queue}/queue/scheduler`, "none");
      execFileSync("losetup", ["-d", disk]);
    }
  },
  30_000,
);

test.skipIf(!HAS_REALTIME)("real-time processor time is taken from what the daemon has for it", async () => {
  // The image has no chrt(1), the machine has.
  const place = ["--cap-add", "SYS_NICE", "-v", "/:/host:ro"];
  const realtime = ["--name", "prompt", "--cpu-rt-runtime", "10000"];
  await docker("run", "-d", ...place, ...realtime, "busybox", "sleep", "1000");
  expect(await ofGroup("prompt", "cpu", "cpu.rt_runtime_us")).toBe("10000");
  const given = ["cpu.rt_runtime_us", "cpu.rt_period_us"].map((file) => `/sys/fs/cgroup/cpu/${file}`);
  expect(await docker("exec", "prompt", "cat", ...given)).toBe("10000\n1000000");
  expect(await docker("exec", "prompt", "chroot", "/host", "chrt", "-f", "1", "echo", "prompt")).toBe(
    "prompt",
  );
  // Without a budget the kernel lets nobody have such a priority.
  const { exitCode, stderr } = await runs(place, "chroot /host chrt -f 1 true");
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain("Operation not permitted");
  const tooMuch = await runs(["--cpu-rt-runtime", "30000"], "true");
  expect(tooMuch.exitCode).toBe(125);
  expect(tooMuch.stderr).toContain("more than the 20000 in 1000000 that the daemon has for its containers");
  const shorter = await runs(["--cpu-rt-runtime", "2000", "--cpu-rt-period", "1000"], "true");
  expect(shorter.stderr).toContain("cpu real-time runtime cannot be higher than cpu real-time period");
  await docker("rm", "-f", "prompt");
});

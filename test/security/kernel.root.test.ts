/** Escapes through the kernel's own interfaces: processes, devices, /proc/sys, /sys, control groups, system calls. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram, startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();
const shell = async (script: string, ...flags: string[]) =>
  (await daemon.docker("run", "--rm", ...flags, "busybox", "sh", "-c", script)).stdout.trim();

/** A process of the host that containers try to reach; ended with its test, also with one that fails. */
function startVictim() {
  const victim = spawn("sleep", ["1000"], { stdio: "ignore" });
  return Object.assign(victim, {
    [Symbol.asyncDispose]: async () => {
      if (victim.exitCode !== null || victim.signalCode !== null) return;
      victim.kill("SIGKILL");
      await once(victim, "exit");
    },
  });
}

test("processes of the host and of other containers can be neither seen, signalled nor looked into", async () => {
  await using victim = startVictim();
  await docker("run", "-d", "--name", "other", "busybox", "sleep", "1000");
  const other = await docker("inspect", "-f", "{{.State.Pid}}", "other");
  // The shell expands the pattern itself, so that it is the only process there is.
  expect(await shell(`kill -9 ${victim.pid} ${other} 2>/dev/null; echo /proc/[0-9]*`)).toBe("/proc/1");
  // With the host's processes in sight, looking into them still takes a capability.
  const look = `cat /proc/${victim.pid}/environ; ls /proc/${victim.pid}/root; readlink /proc/${victim.pid}/exe`;
  expect(await shell(`(${look}) 2>/dev/null; true`, "--pid=host")).toBe("");
  expect([victim.exitCode, victim.signalCode]).toEqual([null, null]);
  expect(await docker("inspect", "-f", "{{.State.Running}}", "other")).toBe("true");
  await docker("rm", "-f", "other");
}, 60_000);

test("a device node that is made by hand opens nothing", async () => {
  const disk = /^\s*(\d+)\s+(\d+)\s+\d+ \S+$/m.exec(readFileSync("/proc/partitions", "utf8"));
  const [, major = "7", minor = "0"] = disk ?? [];
  const script = `mknod /d b ${major} ${minor}; head -c1 /d; mknod /m c 1 1; head -c1 /m; mknod /p c 1 4; head -c1 /p`;
  expect(await shell(`(${script}) 2>/dev/null; true`)).toBe("");
}, 60_000);

test("/proc/sys and /sys are read-only, and stay so", async () => {
  const before = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
  const script = `for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches /proc/sysrq-trigger \
      /sys/kernel/uevent_helper /sys/power/state; do (echo '|/x' > $f) 2>/dev/null && echo wrote $f; done
    mount -o remount,rw /proc/sys 2>/dev/null && echo remounted; umount /proc/sys 2>/dev/null && echo unmounted; true`;
  expect(await shell(script)).toBe("");
  expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).toBe(before);
}, 60_000);

test("a sysctl that is asked for sets itself and nothing else (CVE-2022-0811)", async () => {
  const pattern = "/proc/sys/kernel/core_pattern";
  const before = readFileSync(pattern, "utf8");
  const asked = [
    "kernel.shm_rmid_forced=1+kernel.core_pattern=|/bin/sh",
    "kernel.core_pattern=|/bin/sh",
    "net.ipv4/../../kernel/core_pattern=|/bin/sh",
    "net/../kernel/core_pattern=|/bin/sh",
    "net..kernel.core_pattern=|/bin/sh",
    "fs.mqueue/../../kernel.core_pattern=|/bin/sh",
    "net.ipv4.conf.%2e%2e/%2e%2e/kernel/core_pattern=|/bin/sh",
  ];
  // The kernel takes a number up to a line's end, and then no more than that.
  await daemon.docker("run", "--rm", "--sysctl", `kernel.shm_rmid_forced=1\n${asked[1]}`, "busybox", "true");
  expect(readFileSync(pattern, "utf8")).toBe(before);
  for (const sysctl of asked) {
    const { exitCode } = await daemon.docker("run", "--rm", "--sysctl", sysctl, "busybox", "true");
    expect([sysctl, exitCode === 0, readFileSync(pattern, "utf8")]).toEqual([sysctl, false, before]);
  }
}, 60_000);

test("nobody but root goes through the data root to what containers have made (CVE-2021-41091)", async () => {
  const script = "cp /bin/busybox /own; chmod 4755 /own; echo mine > /file; chmod 777 /file; sleep 1000";
  await docker("run", "-d", "--name", "layer", "-v", "open:/v", "busybox", "sh", "-c", script);
  const root = join(daemon.folder, "data");
  const upper = await docker("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", "layer");
  expect(upper).toStartWith(root);
  const files = [
    join(upper, "file"),
    join(upper, "own"),
    join(root, "volumes/open/_data"),
    join(root, "gantry.db"),
  ];
  const asNobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "stat"];
  // As on a machine, where others go through the folders above; and as if an administrator had opened the root itself once.
  chmodSync(daemon.folder, 0o755);
  for (const file of files) expect((await runProgram("setpriv", [...asNobody, file])).exitCode).toBe(1);
  await daemon.stop();
  chmodSync(root, 0o755);
  await daemon.restart();
  for (const file of files) expect((await runProgram("setpriv", [...asNobody, file])).exitCode).toBe(1);
  await docker("rm", "-f", "-v", "layer");
}, 60_000);

test("control groups can be neither written nor mounted anew, and show no release_agent (CVE-2022-0492)", async () => {
  const script = `find /sys/fs/cgroup -name release_agent; mkdir /sys/fs/cgroup/pids/x 2>/dev/null && echo made
    mkdir /c; for o in memory rdma none,name=x; do mount -t cgroup -o $o c /c 2>/dev/null && echo mounted $o; done
    (echo max > /sys/fs/cgroup/pids/pids.max) 2>/dev/null && echo raised; true`;
  expect(await shell(script)).toBe("");
}, 60_000);

test("a user namespace that would give all capabilities cannot be made", async () => {
  expect(
    await shell("unshare -U true 2>/dev/null && echo made; unshare -Urm true 2>/dev/null && echo made; true"),
  ).toBe("");
}, 60_000);

test("what tells of the host's hardware and memory is hidden", async () => {
  const script = `cat /proc/kcore /proc/keys /proc/timer_list /proc/latency_stats 2>/dev/null | head -c 10
    ls /sys/firmware /proc/acpi /proc/scsi 2>/dev/null | grep -v : | tr -d '\\n'; true`;
  expect(await shell(script)).toBe("");
}, 60_000);

test("a container's limits hold for everything in it, execs too", async () => {
  await docker("run", "-d", "--name", "lid", "--pids-limit", "12", "busybox", "sleep", "1000");
  const bomb = "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done 2>&1 | grep -c . ; true";
  await daemon.docker("exec", "lid", "sh", "-c", bomb);
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", "lid");
  const group = /^\d+:pids:(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
  const file = group === undefined ? undefined : `/sys/fs/cgroup/pids${group}/pids.current`;
  if (file !== undefined) expect(Number(readFileSync(file, "utf8"))).toBeLessThanOrEqual(12);
  await docker("rm", "-f", "lid");
}, 60_000);

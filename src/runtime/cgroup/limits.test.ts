import { expect, test } from "bun:test";
import type { LinuxResources } from "../spec/index.ts";
import type { CgroupLayout } from "./layout.ts";
import { readCgroupLayout } from "./layout.ts";
import { blkioToIoWeight, legacyLimits, sharesToWeight, unifiedLimits } from "./limits.ts";
import { cgroupMounts } from "./mounts.ts";
import { cgroupOperations } from "./operations.ts";

const files = (controller: string, resources: LinuxResources) =>
  unifiedLimits(controller, resources).map(({ file, data }) => `${file} ${data}`);
const legacyFiles = (controller: string, resources: LinuxResources) =>
  legacyLimits(controller, resources).map(({ file, data }) => `${file} ${data}`);

test("memory: version 2 counts swap alone, and has a word for no limit", () => {
  expect(files("memory", { memory: { limit: 64, swap: 96, reservation: 32 } })).toEqual([
    "memory.max 64",
    "memory.swap.max 32",
    "memory.low 32",
  ]);
  expect(files("memory", { memory: { limit: -1, swap: -1 } })).toEqual([
    "memory.max max",
    "memory.swap.max max",
  ]);
  expect(files("memory", {})).toEqual([]);
  expect(
    legacyFiles("memory", { memory: { limit: 64, swap: 96, swappiness: 0, disableOOMKiller: true } }),
  ).toEqual([
    "memory.limit_in_bytes 64",
    "memory.memsw.limit_in_bytes 96",
    "memory.swappiness 0",
    "memory.oom_control 1",
  ]);
});

test("processor time: quota and period are one file, shares become a weight", () => {
  expect(files("cpu", { cpu: { quota: 50_000, period: 100_000 } })).toEqual(["cpu.max 50000 100000"]);
  expect(files("cpu", { cpu: { quota: 50_000 } })).toEqual(["cpu.max 50000 100000"]);
  expect(files("cpu", { cpu: { quota: -1, period: 20_000 } })).toEqual(["cpu.max max 20000"]);
  expect(files("cpu", { cpu: { shares: 1024, burst: 5, idle: 1 } })).toEqual([
    "cpu.weight 39",
    "cpu.max.burst 5",
    "cpu.idle 1",
  ]);
  expect(files("cpuset", { cpu: { cpus: "0-1", mems: "0" } })).toEqual(["cpuset.cpus 0-1", "cpuset.mems 0"]);
  // Real-time limits are version 1's alone; support.ts tells whoever asks.
  expect(files("cpu", { cpu: { realtimeRuntime: 1, realtimePeriod: 2 } })).toEqual([]);
});

test("the ends of both ranges of weights meet", () => {
  expect([0, 2, 1024, 262_144].map(sharesToWeight)).toEqual([1, 1, 39, 10_000]);
  expect([10, 500, 1000].map(blkioToIoWeight)).toEqual([1, 4950, 10_000]);
});

test("disks: throttles and weights by device", () => {
  const throttle = [
    { file: "read_bps", unified: "rbps", device: "8:0", rate: 1024 },
    { file: "write_iops", unified: "wiops", device: "8:16", rate: 5 },
  ];
  const blockIO = { weight: 100, weightDevice: [{ device: "0:0", weight: 200 }], throttle };
  expect(files("io", { blockIO })).toEqual([
    "io.bfq.weight 100",
    "io.weight default 910",
    "io.weight 0:0 1920",
    "io.max 8:0 rbps=1024",
    "io.max 8:16 wiops=5",
  ]);
  expect(unifiedLimits("io", { blockIO }).map(({ optional }) => optional)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(legacyFiles("blkio", { blockIO: { throttle } })).toEqual([
    "blkio.throttle.read_bps_device 8:0 1024",
    "blkio.throttle.write_iops_device 8:16 5",
  ]);
});

test("processes, huge pages, and what the specification names by its file", () => {
  expect(files("pids", { pids: { limit: 10 } })).toEqual(["pids.max 10"]);
  expect(files("pids", { pids: { limit: -1 } })).toEqual(["pids.max max"]);
  expect(files("hugetlb", { hugepages: [{ size: "2MB", limit: 4096 }] })).toEqual(["hugetlb.2MB.max 4096"]);
  const unified = { "memory.high": "50", "pids.max": "3" };
  expect(files("memory", { memory: { limit: 64 }, unified })).toEqual(["memory.max 64", "memory.high 50"]);
  expect(files("pids", { pids: { limit: 10 }, unified })).toEqual(["pids.max 10", "pids.max 3"]);
});

const MOUNTINFO = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const UNIFIED: CgroupLayout = {
  unified: "/sys/fs/cgroup",
  unifiedControllers: new Set(["cpu", "memory", "pids"]),
  legacy: new Map(),
};

test("where version 2 is alone a group is one folder, entered by clone3, with a program that decides on devices", () => {
  const operations = cgroupOperations({
    layout: UNIFIED,
    path: "/gantry/c1",
    resources: { memory: { limit: 64 }, pids: { limit: 5 }, devices: [{ allow: true, rule: "c 1:3 rwm" }] },
  });
  const folder = "/sys/fs/cgroup/gantry/c1";
  expect(
    operations.map((operation) => ("program" in operation ? { ...operation, program: 0 } : operation)),
  ).toEqual([
    { op: "cgroup-create", path: folder, version: 2 },
    { op: "write-file", path: `${folder}/memory.max`, data: "64", optional: false },
    { op: "write-file", path: `${folder}/pids.max`, data: "5", optional: false },
    { op: "device-filter", group: folder, program: 0 },
    { op: "oom-watch", path: `${folder}/memory.events`, version: 2 },
    { op: "cgroup-join", path: folder, version: 2 },
  ]);
});

test("a container sees version 2 as its own root, or as the folder that it is in", () => {
  const seen = (ownCgroupNamespace: boolean) =>
    cgroupMounts({ layout: UNIFIED, cgroupPath: "/gantry/c1", ownCgroupNamespace }, ["ro"]);
  expect(seen(true)).toEqual([
    { destination: "/sys/fs/cgroup", type: "cgroup2", source: "cgroup", options: ["ro"] },
  ]);
  expect(seen(false)).toEqual([
    {
      destination: "/sys/fs/cgroup",
      type: "bind",
      source: "/sys/fs/cgroup/gantry/c1",
      options: ["rbind", "rprivate", "ro"],
    },
  ]);
});

test("the layout is read from the mounts; a part of a hierarchy is no place to make groups in", () => {
  const part = "31 23 0:27 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
  const whole = "32 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
  const layout = readCgroupLayout(part + whole);
  expect([layout.unified, [...layout.legacy]]).toEqual([
    undefined,
    [
      ["cpu", "/sys/fs/cgroup/cpu,cpuacct"],
      ["cpuacct", "/sys/fs/cgroup/cpu,cpuacct"],
    ],
  ]);
  expect(() => readCgroupLayout(MOUNTINFO.replace("/sys/fs/cgroup", "/no/such/place"))).toThrow("ENOENT");
});

import type { LinuxResources } from "../spec/index.ts";
import { weightKeeper } from "./disk-weights.ts";

/** One write into a control group's folder. */
export interface LimitFile {
  readonly file: string;
  readonly data: string;
  /** The kernel may have been built without it. */
  readonly optional: boolean;
}

const must = (file: string, data: string | number | bigint): LimitFile => ({
  file,
  data: String(data),
  optional: false,
});
const may = (file: string, data: string | number | bigint): LimitFile => ({
  file,
  data: String(data),
  optional: true,
});

/** Files of one version 1 controller (kernel: admin-guide/cgroup-v1). */
export function legacyLimits(
  controller: string,
  {
    memory = {},
    cpu = {},
    pids,
    blockIO = {},
    devices,
    hugepages = [],
    network = {},
    rdma = [],
  }: LinuxResources,
): LimitFile[] {
  const files: LimitFile[] = [];
  switch (controller) {
    case "memory":
      if (memory.limit !== undefined) files.push(must("memory.limit_in_bytes", memory.limit));
      // After the limit: swap counts memory too and may never be lower.
      if (memory.swap !== undefined) files.push(may("memory.memsw.limit_in_bytes", memory.swap));
      if (memory.reservation !== undefined)
        files.push(must("memory.soft_limit_in_bytes", memory.reservation));
      if (memory.swappiness !== undefined) files.push(must("memory.swappiness", memory.swappiness));
      if (memory.disableOOMKiller) files.push(must("memory.oom_control", 1));
      break;
    case "cpu":
      if (cpu.shares !== undefined) files.push(must("cpu.shares", cpu.shares));
      if (cpu.period !== undefined) files.push(must("cpu.cfs_period_us", cpu.period));
      if (cpu.quota !== undefined) files.push(must("cpu.cfs_quota_us", cpu.quota));
      if (cpu.burst !== undefined) files.push(must("cpu.cfs_burst_us", cpu.burst));
      if (cpu.realtimePeriod !== undefined) files.push(must("cpu.rt_period_us", cpu.realtimePeriod));
      if (cpu.realtimeRuntime !== undefined) files.push(must("cpu.rt_runtime_us", cpu.realtimeRuntime));
      if (cpu.idle !== undefined) files.push(must("cpu.idle", cpu.idle));
      break;
    case "cpuset":
      if (cpu.cpus) files.push(must("cpuset.cpus", cpu.cpus));
      if (cpu.mems) files.push(must("cpuset.mems", cpu.mems));
      break;
    case "pids":
      if (pids !== undefined) files.push(must("pids.max", pids.limit > 0 ? pids.limit : "max"));
      break;
    case "blkio":
      if (blockIO.weight !== undefined)
        files.push(may("blkio.bfq.weight", blockIO.weight), may("blkio.weight", blockIO.weight));
      for (const { device, weight } of blockIO.weightDevice ?? []) {
        const file = weightKeeper(device) === "bfq" ? "blkio.bfq.weight_device" : "blkio.weight_device";
        files.push(must(file, `${device} ${weight}`));
      }
      for (const { file, device, rate } of blockIO.throttle ?? [])
        files.push(must(`blkio.throttle.${file}_device`, `${device} ${rate}`));
      break;
    case "devices":
      for (const { allow, rule } of devices ?? [])
        files.push(must(allow ? "devices.allow" : "devices.deny", rule));
      break;
    case "hugetlb":
      for (const { size, limit } of hugepages) files.push(must(`hugetlb.${size}.limit_in_bytes`, limit));
      break;
    case "net_cls":
      if (network.classId !== undefined) files.push(must("net_cls.classid", network.classId));
      break;
    case "net_prio":
      for (const { name, priority } of network.priorities ?? [])
        files.push(must("net_prio.ifpriomap", `${name} ${priority}`));
      break;
    case "rdma":
      for (const line of rdma) files.push(must("rdma.max", line));
      break;
  }
  return files;
}

/** Files of one version 2 controller (kernel: admin-guide/cgroup-v2), with the conversions that runc made standard. */
export function unifiedLimits(
  controller: string,
  { memory = {}, cpu = {}, pids, blockIO = {}, hugepages = [], rdma = [], unified = {} }: LinuxResources,
): LimitFile[] {
  const files: LimitFile[] = [];
  switch (controller) {
    case "memory":
      if (memory.limit !== undefined) files.push(must("memory.max", memory.limit < 0 ? "max" : memory.limit));
      // Version 2 counts swap alone.
      if (memory.swap !== undefined) {
        files.push(may("memory.swap.max", memory.swap < 0 ? "max" : memory.swap - (memory.limit ?? 0)));
      }
      if (memory.reservation !== undefined) files.push(must("memory.low", memory.reservation));
      break;
    case "cpu":
      if (cpu.shares !== undefined) files.push(must("cpu.weight", sharesToWeight(cpu.shares)));
      if (cpu.quota !== undefined || cpu.period !== undefined) {
        files.push(
          must(
            "cpu.max",
            `${cpu.quota !== undefined && cpu.quota > 0 ? cpu.quota : "max"} ${cpu.period ?? 100_000}`,
          ),
        );
      }
      if (cpu.burst !== undefined) files.push(must("cpu.max.burst", cpu.burst));
      if (cpu.idle !== undefined) files.push(must("cpu.idle", cpu.idle));
      break;
    case "cpuset":
      if (cpu.cpus) files.push(must("cpuset.cpus", cpu.cpus));
      if (cpu.mems) files.push(must("cpuset.mems", cpu.mems));
      break;
    case "pids":
      if (pids !== undefined) files.push(must("pids.max", pids.limit > 0 ? pids.limit : "max"));
      break;
    case "hugetlb":
      for (const { size, limit } of hugepages) files.push(must(`hugetlb.${size}.max`, limit));
      break;
    case "rdma":
      for (const line of rdma) files.push(must("rdma.max", line));
      break;
    case "io":
      if (blockIO.weight !== undefined) {
        files.push(
          may("io.bfq.weight", blockIO.weight),
          may("io.weight", `default ${blkioToIoWeight(blockIO.weight)}`),
        );
      }
      for (const { device, weight } of blockIO.weightDevice ?? []) {
        files.push(
          weightKeeper(device) === "bfq"
            ? must("io.bfq.weight", `${device} ${weight}`)
            : must("io.weight", `${device} ${blkioToIoWeight(weight)}`),
        );
      }
      for (const { device, rate, unified: key } of blockIO.throttle ?? [])
        files.push(must("io.max", `${device} ${key}=${rate}`));
      break;
  }
  // What the specification names by the files of version 2 themselves wins over what was converted.
  for (const [file, data] of Object.entries(unified))
    if (file.startsWith(`${controller}.`)) files.push(must(file, data));
  return files;
}

/** 2…262144 shares onto 1…10000. */
export const sharesToWeight = (shares: number): number =>
  1 + Math.floor(((Math.max(shares, 2) - 2) * 9999) / 262_142);

/** 10…1000 onto 1…10000. */
export const blkioToIoWeight = (weight: number): number => 1 + Math.floor(((weight - 10) * 9999) / 990);

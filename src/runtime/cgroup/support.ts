import { existsSync } from "node:fs";
import { join } from "node:path";
import { type CgroupLayout, foldersOf, legacyFolder, unifiedFolder } from "./layout.ts";
import { realtimeShare } from "./realtime.ts";

/** Which limits the control groups of this machine know. */
export interface LimitSupport {
  readonly memory: boolean;
  readonly memoryReservation: boolean;
  readonly swap: boolean;
  readonly swappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuShares: boolean;
  readonly cpuQuota: boolean;
  /** The share of its time that the group may give to real-time processes; undefined where groups know none. */
  readonly realtimeShare: number | undefined;
  readonly cpuset: boolean;
  readonly pids: boolean;
  readonly blkioWeight: boolean;
  readonly blkioWeightDevice: boolean;
  readonly blkioThrottle: boolean;
}

/** Looked up at an existing group that is not the root, for version 2 shows limits only there. */
export function limitSupport(layout: CgroupLayout, group: string): LimitSupport {
  const has = (controller: string, ...files: [legacy: string | undefined, unified: string | undefined]) => {
    const folder = legacyFolder(layout, group, controller);
    const [legacy, unified] = files;
    if (folder !== undefined) return legacy !== undefined && existsSync(join(folder, legacy));
    return unified !== undefined && existsSync(join(unifiedFolder(layout, group) ?? "", unified));
  };
  const weight =
    has("blkio", "blkio.weight", "io.weight") || has("blkio", "blkio.bfq.weight", "io.bfq.weight");
  return {
    memory: has("memory", "memory.limit_in_bytes", "memory.max"),
    memoryReservation: has("memory", "memory.soft_limit_in_bytes", "memory.low"),
    swap: has("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
    swappiness: has("memory", "memory.swappiness", undefined),
    oomKillDisable: has("memory", "memory.oom_control", undefined),
    cpuShares: has("cpu", "cpu.shares", "cpu.weight"),
    cpuQuota: has("cpu", "cpu.cfs_quota_us", "cpu.max"),
    realtimeShare: realtimeShare(layout, group),
    cpuset: has("cpuset", "cpuset.cpus", "cpuset.cpus"),
    pids: foldersOf(layout, group).some(({ folder }) => existsSync(join(folder, "pids.max"))),
    blkioWeight: weight,
    blkioWeightDevice:
      has("blkio", "blkio.weight_device", "io.weight") ||
      has("blkio", "blkio.bfq.weight_device", "io.bfq.weight"),
    blkioThrottle: has("blkio", "blkio.throttle.read_bps_device", "io.max"),
  };
}

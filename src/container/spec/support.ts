import { invalid } from "../../errors/index.ts";
import type { LimitSupport } from "../../runtime/cgroup/index.ts";
import type { Resources } from "../../wire/index.ts";

const NO_MOUNT = "or the cgroup is not mounted";

/**
 * Take away the limits that this machine's kernel does not know, with Docker's warning for each. Throws invalid for
 * those that Docker refuses to drop.
 */
export function discardUnknownLimits<T extends Resources>(
  asked: T,
  support: LimitSupport,
): { resources: T; warnings: string[] } {
  const resources: T = { ...asked };
  const warnings: string[] = [];
  const discard = (changes: Partial<Resources>, warning: string) => {
    Object.assign(resources, changes);
    warnings.push(`Your kernel does not support ${warning}`);
  };
  if (asked.NanoCpus > 0 && !support.cpuQuota) {
    throw invalid(`NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler ${NO_MOUNT}`);
  }
  checkRealtime(asked, support.realtimeShare);

  if (asked.Memory > 0 && !support.memory)
    discard({ Memory: 0, MemorySwap: -1 }, `memory limit capabilities ${NO_MOUNT}. Limitation discarded.`);
  if (asked.Memory > 0 && asked.MemorySwap !== -1 && !support.swap)
    discard({ MemorySwap: -1 }, `swap limit capabilities ${NO_MOUNT}. Memory limited without swap.`);
  for (const [field, what] of KERNEL_MEMORY) {
    if (asked[field]) discard({}, `${what} limit capabilities ${NO_MOUNT}. Limitation discarded.`);
    delete resources[field];
  }
  if (asked.MemorySwappiness !== null && asked.MemorySwappiness !== -1 && !support.swappiness) {
    discard(
      { MemorySwappiness: null },
      `memory swappiness capabilities ${NO_MOUNT}. Memory swappiness discarded.`,
    );
  }
  if (asked.MemoryReservation > 0 && !support.memoryReservation)
    discard({ MemoryReservation: 0 }, `memory soft limit capabilities ${NO_MOUNT}. Limitation discarded.`);
  if (asked.OomKillDisable === true && !support.oomKillDisable)
    discard({ OomKillDisable: false }, "OomKillDisable. OomKillDisable discarded.");
  if (asked.PidsLimit !== null && asked.PidsLimit !== 0 && !support.pids)
    discard({ PidsLimit: null }, `PIDs limit capabilities ${NO_MOUNT}. PIDs limit discarded.`);
  if (asked.CpuShares > 0 && !support.cpuShares)
    discard({ CpuShares: 0 }, `CPU shares ${NO_MOUNT}. Shares discarded.`);
  if ((asked.CpuPeriod !== 0 || asked.CpuQuota !== 0) && !support.cpuQuota)
    discard({ CpuPeriod: 0, CpuQuota: 0 }, "CPU CFS scheduler. CPU period/quota discarded.");
  if ((asked.CpusetCpus !== "" || asked.CpusetMems !== "") && !support.cpuset)
    discard({ CpusetCpus: "", CpusetMems: "" }, `cpuset ${NO_MOUNT}. CPUset discarded.`);
  if (asked.BlkioWeight > 0 && !support.blkioWeight)
    discard({ BlkioWeight: 0 }, `Block I/O weight ${NO_MOUNT}. Weight discarded.`);
  if (asked.BlkioWeightDevice?.length && !support.blkioWeightDevice)
    discard({ BlkioWeightDevice: [] }, `Block I/O weight_device ${NO_MOUNT}. Weight-device discarded.`);
  for (const [field, kind, direction] of THROTTLES) {
    if (!asked[field]?.length || support.blkioThrottle) continue;
    const what = `Block I/O ${kind} ${direction} limit discarded.`;
    discard({ [field]: [] }, `${kind} Block I/O ${direction} limit ${NO_MOUNT}. ${what}`);
  }
  return { resources, warnings };
}

/** No kernel that is looked after limits these apart from the rest of memory any more (memory.kmem.*, cgroup v1). */
const KERNEL_MEMORY = [
  ["KernelMemory", "kernel memory"],
  ["KernelMemoryTCP", "kernel memory TCP"],
] as const;

const REALTIME_PERIOD_US = 1_000_000;

function checkRealtime(
  { CpuRealtimePeriod, CpuRealtimeRuntime }: Resources,
  share: number | undefined,
): void {
  if (CpuRealtimePeriod === 0 && CpuRealtimeRuntime === 0) return;
  if (share === undefined) throw invalid("Your kernel does not support CPU real-time scheduler");
  const periodUs = CpuRealtimePeriod === 0 ? REALTIME_PERIOD_US : CpuRealtimePeriod;
  if (CpuRealtimeRuntime > periodUs)
    throw invalid("cpu real-time runtime cannot be higher than cpu real-time period");
  if (CpuRealtimeRuntime / periodUs > share)
    throw invalid(
      `a real-time runtime of ${CpuRealtimeRuntime} in ${periodUs} µs is more than the ${Math.round(share * REALTIME_PERIOD_US)} in ${REALTIME_PERIOD_US} that the daemon has for its containers: start it with a higher --cpu-rt-runtime`,
    );
}

const THROTTLES = [
  ["BlkioDeviceReadBps", "BPS", "read"],
  ["BlkioDeviceWriteBps", "BPS", "write"],
  ["BlkioDeviceReadIOps", "IOPS", "read"],
  ["BlkioDeviceWriteIOps", "IOPS", "write"],
] as const;

import { statSync } from "node:fs";
import { invalid } from "../../errors/index.ts";
import { weightKeeper } from "../../runtime/cgroup/index.ts";
import type { LinuxResources } from "../../runtime/spec/index.ts";
import type { Resources, ThrottleDevice } from "../../wire/index.ts";

const CPU_PERIOD_US = 100_000;

/** The limits of a container as the OCI specification has them. */
export function resourcesOf(host: Resources, devices: { allow: boolean; rule: string }[]): LinuxResources {
  const memory = defined({
    limit: host.Memory > 0 ? host.Memory : undefined,
    swap: host.MemorySwap !== 0 ? host.MemorySwap : undefined,
    reservation: host.MemoryReservation > 0 ? host.MemoryReservation : undefined,
    swappiness:
      host.MemorySwappiness !== null && host.MemorySwappiness >= 0 ? host.MemorySwappiness : undefined,
    disableOOMKiller: host.OomKillDisable === true ? true : undefined,
  });
  const quota = host.NanoCpus > 0 ? Math.round((host.NanoCpus * CPU_PERIOD_US) / 1e9) : host.CpuQuota;
  const period = host.NanoCpus > 0 ? CPU_PERIOD_US : host.CpuPeriod;
  const cpu = defined({
    shares: host.CpuShares > 0 ? host.CpuShares : undefined,
    quota: quota !== 0 ? quota : undefined,
    period: period !== 0 ? period : undefined,
    realtimePeriod: host.CpuRealtimePeriod > 0 ? host.CpuRealtimePeriod : undefined,
    realtimeRuntime: host.CpuRealtimeRuntime > 0 ? host.CpuRealtimeRuntime : undefined,
    cpus: host.CpusetCpus || undefined,
    mems: host.CpusetMems || undefined,
  });
  const throttle = [
    ...throttles(host.BlkioDeviceReadBps, "read_bps", "rbps"),
    ...throttles(host.BlkioDeviceWriteBps, "write_bps", "wbps"),
    ...throttles(host.BlkioDeviceReadIOps, "read_iops", "riops"),
    ...throttles(host.BlkioDeviceWriteIOps, "write_iops", "wiops"),
  ];
  const pids = host.PidsLimit !== null && host.PidsLimit !== 0 ? { pids: { limit: host.PidsLimit } } : {};
  return {
    memory,
    cpu,
    ...pids,
    blockIO: {
      ...(host.BlkioWeight > 0 ? { weight: host.BlkioWeight } : {}),
      weightDevice: (host.BlkioWeightDevice ?? []).map(({ Path, Weight }) => ({
        device: weighedDisk(Path),
        weight: Weight,
      })),
      throttle,
    },
    devices,
  };
}

function throttles(list: ThrottleDevice[] | null, file: string, unified: string) {
  return (list ?? []).map(({ Path, Rate }) => ({ file, unified, device: blockDevice(Path), rate: Rate }));
}

function weighedDisk(path: string): string {
  const device = blockDevice(path);
  if (weightKeeper(device) !== "nobody") return device;
  throw invalid(
    `${path} has no weights (blkio-weight-device): it needs the scheduler bfq in /sys/dev/block/${device}/queue/scheduler, or the cost model of cgroup v2 (io.cost.qos)`,
  );
}

/** "8:0" of a path. */
function blockDevice(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isBlockDevice()) throw invalid(`${path} is no block device`);
  return `${major(stat.rdev)}:${minor(stat.rdev)}`;
}

/** Numbers of a device as makedev(3) packs them. */
export const major = (device: number): number => Number((BigInt(device) >> 8n) & 0xfffn);
export const minor = (device: number): number =>
  Number((BigInt(device) & 0xffn) | ((BigInt(device) >> 12n) & 0xfff00n));

/** The object without its undefined fields. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

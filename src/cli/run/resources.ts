import { messageOf } from "../../errors/index.ts";
import { parseBytes } from "../../units/index.ts";
import type { FlagValues } from "../command/flags.ts";
import { UsageError } from "../command/usage-error.ts";

/** Bytes of a flag's value; 0 when it was not given. -1 stays -1 (unlimited). */
function bytesOf(flags: FlagValues, name: string): number {
  const text = flags.optional(name);
  if (text === undefined) return 0;
  if (text === "-1") return -1;
  try {
    return parseBytes(text);
  } catch (cause) {
    const spelling = name === "memory" ? "-m, --memory" : `--${name}`;
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "${spelling}" flag: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

/** Limits of memory, CPU and processes, as HostConfig has them. */
export function resourcesOf(flags: FlagValues): Record<string, unknown> {
  const swappiness = flags.int("memory-swappiness") ?? -1;
  return {
    Memory: bytesOf(flags, "memory"),
    MemoryReservation: bytesOf(flags, "memory-reservation"),
    MemorySwap: bytesOf(flags, "memory-swap"),
    KernelMemory: bytesOf(flags, "kernel-memory"),
    MemorySwappiness: swappiness === -1 ? null : swappiness,
    ShmSize: bytesOf(flags, "shm-size"),
    NanoCpus: nanoCpus(flags.optional("cpus")),
    CpuShares: flags.int("cpu-shares") ?? 0,
    CpuPeriod: flags.int("cpu-period") ?? 0,
    CpuQuota: flags.int("cpu-quota") ?? 0,
    CpuRealtimePeriod: flags.int("cpu-rt-period") ?? 0,
    CpuRealtimeRuntime: flags.int("cpu-rt-runtime") ?? 0,
    CpusetCpus: flags.string("cpuset-cpus"),
    CpusetMems: flags.string("cpuset-mems"),
    CgroupParent: flags.string("cgroup-parent"),
    PidsLimit: flags.int("pids-limit") ?? 0,
    OomKillDisable: flags.bool("oom-kill-disable"),
    Ulimits: flags.list("ulimit").map(parseUlimit),
  };
}

function nanoCpus(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d+(\.\d*)?$|^\.\d+$/.test(text))
    throw new UsageError(
      `invalid argument "${text}" for "--cpus" flag: failed to parse ${text} as a rational number`,
    );
  return Math.round(Number(text) * 1e9);
}

/** "nofile=1024:2048"; one number is both limits. */
function parseUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const [, name = "", soft, hard] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (soft === undefined)
    throw new UsageError(`invalid argument "${text}" for "--ulimit" flag: invalid ulimit argument: ${text}`);
  return { Name: name, Soft: Number(soft), Hard: Number(hard ?? soft) };
}

/** Shares and rates of block IO. */
export function blkioOf(flags: FlagValues): Record<string, unknown> {
  const rates = (name: string, inBytes: boolean) =>
    flags.list(name).map((text) => {
      const [, path = "", rate = ""] = /^(\/dev\/[^:]+):(.+)$/.exec(text) ?? [];
      if (path === "")
        throw new UsageError(
          `invalid argument "${text}" for "--${name}" flag: bad format: ${text}. Correct format is <device-path>:<number>${inBytes ? "[<unit>]" : ""}`,
        );
      return { Path: path, Rate: inBytes ? parseBytes(rate) : Number(rate) };
    });
  return {
    BlkioWeight: flags.int("blkio-weight") ?? 0,
    BlkioWeightDevice: flags.list("blkio-weight-device").map((text) => {
      const [path = "", weight = ""] = text.split(":");
      return { Path: path, Weight: Number(weight) };
    }),
    BlkioDeviceReadBps: rates("device-read-bps", true),
    BlkioDeviceWriteBps: rates("device-write-bps", true),
    BlkioDeviceReadIOps: rates("device-read-iops", false),
    BlkioDeviceWriteIOps: rates("device-write-iops", false),
  };
}

/** Devices: "/dev/x", "/dev/x:/dev/y", "/dev/x:/dev/y:rw", "/dev/x:rw". */
export function devicesOf(flags: FlagValues): Record<string, unknown> {
  return {
    DeviceRequests: [...cdiRequest(flags.list("device").filter(isCdiName)), ...gpuRequest(flags)],
    Devices: flags
      .list("device")
      .filter((text) => !isCdiName(text))
      .map((text) => {
        const [host = "", second, third] = text.split(":");
        const isMode = second !== undefined && /^[rwm]{1,3}$/.test(second);
        return {
          PathOnHost: host,
          PathInContainer: second === undefined || isMode ? host : second,
          CgroupPermissions: third ?? (isMode ? second : "rwm"),
        };
      }),
    DeviceCgroupRules: flags.list("device-cgroup-rule"),
  };
}

/** "vendor.com/class=name": a device that a file of the Container Device Interface describes. */
const isCdiName = (text: string): boolean => /^[A-Za-z][\w.-]*\/[A-Za-z][\w-]*=.+$/.test(text);

const cdiRequest = (names: readonly string[]): object[] =>
  names.length === 0 ? [] : [{ Driver: "cdi", Count: 0, DeviceIDs: names, Capabilities: [], Options: {} }];

function gpuRequest(flags: FlagValues): object[] {
  const text = flags.optional("gpus");
  if (text === undefined) return [];
  const ids = /^"?device=([^"]+)"?$/.exec(text)?.[1]?.split(",") ?? [];
  if (ids.length === 0 && text !== "all" && !/^\d+$/.test(text))
    throw new UsageError(`invalid argument "${text}" for "--gpus" flag: 'all', a number, or device=ID,ID`);
  const Count = ids.length > 0 ? 0 : text === "all" ? -1 : Number(text);
  return [{ Driver: "", Count, DeviceIDs: ids, Capabilities: [["gpu"]], Options: {} }];
}

import type { LimitSupport } from "../../runtime/cgroup/index.ts";
import type { HostConfig } from "../../wire/index.ts";
import { parseSecurityOptions } from "./security.ts";

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/** Hidden: what tells of the host or reaches its devices. */
const MASKED_PATHS = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** What the user left open, decided at create, so that inspect shows what a container has. */
export function withDefaults(
  host: HostConfig,
  { version, support }: { version: "1" | "2"; support: LimitSupport },
): HostConfig {
  const { systemPathsUnconfined } = parseSecurityOptions(host);
  const doublesMemory = host.Memory > 0 && host.MemorySwap === 0 && support.swap;
  return {
    ...host,
    // Docker's rule: without a word on swap a container may use as much swap as memory.
    ...(doublesMemory ? { MemorySwap: 2 * host.Memory } : {}),
    ...(host.ShmSize === 0 ? { ShmSize: DEFAULT_SHM_BYTES } : {}),
    ...(host.IpcMode === "" ? { IpcMode: "private" } : {}),
    // Where version 2 is alone, what a container sees of its groups is kept apart from the host's.
    ...(host.CgroupnsMode === "" ? { CgroupnsMode: version === "2" ? "private" : "host" } : {}),
    // How the docker CLI spells "not given".
    PidsLimit: host.PidsLimit === 0 ? null : host.PidsLimit,
    MemorySwappiness: host.MemorySwappiness === -1 ? null : host.MemorySwappiness,
    OomKillDisable: host.OomKillDisable ?? false,
    MaskedPaths: systemPathsUnconfined ? [] : (host.MaskedPaths ?? MASKED_PATHS),
    ReadonlyPaths: systemPathsUnconfined ? [] : (host.ReadonlyPaths ?? READONLY_PATHS),
  };
}

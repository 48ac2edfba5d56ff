import { blkioToIoWeight, sharesToWeight } from "../cgroup/index.ts";
import type { LinuxResources } from "../spec/index.ts";
import type { Variant } from "./marshal.ts";

/** A property of a unit, as StartTransientUnit and SetUnitProperties take it. */
export type Property = readonly [name: string, value: Variant];

/** What systemd takes for "no limit". */
const INFINITY = 2n ** 64n - 1n;
const USEC_PER_SEC = 1_000_000;
const CPU_PERIOD_US = 100_000;
/** systemd rounds the quota to whole steps of 10 ms of a second and refuses less than one. */
const QUOTA_STEP_USEC = 10_000;

const size = (name: string, value: number): Property => [
  name,
  { signature: "t", value: value < 0 ? INFINITY : BigInt(value) },
];

/**
 * Limits of version 2 as properties (systemd.resource-control(5)). The engine writes the same into the group's files; the
 * manager has to know of them, because it writes its own values again whenever it is reloaded. What it has no property
 * for (a single device's weight, huge pages, bursts) it does not touch.
 */
export function resourceProperties(resources: LinuxResources): Property[] {
  const { memory = {}, cpu = {}, pids, blockIO = {} } = resources;
  const properties: Property[] = [];
  if (memory.limit !== undefined) properties.push(size("MemoryMax", memory.limit));
  if (memory.swap !== undefined)
    properties.push(size("MemorySwapMax", memory.swap < 0 ? -1 : memory.swap - (memory.limit ?? 0)));
  if (memory.reservation !== undefined) properties.push(size("MemoryLow", memory.reservation));
  if (cpu.shares !== undefined) properties.push(size("CPUWeight", sharesToWeight(cpu.shares)));
  if (cpu.quota !== undefined || cpu.period !== undefined)
    properties.push(...quotaProperties(cpu.quota ?? -1, cpu.period ?? CPU_PERIOD_US));
  if (cpu.cpus) properties.push(["AllowedCPUs", { signature: "ay", value: bitmapOf(cpu.cpus) }]);
  if (cpu.mems) properties.push(["AllowedMemoryNodes", { signature: "ay", value: bitmapOf(cpu.mems) }]);
  if (pids !== undefined) properties.push(size("TasksMax", pids.limit > 0 ? pids.limit : -1));
  if (blockIO.weight !== undefined) properties.push(size("IOWeight", blkioToIoWeight(blockIO.weight)));
  return properties;
}

function quotaProperties(quotaUs: number, periodUs: number): Property[] {
  const perSecond = Math.ceil((quotaUs * USEC_PER_SEC) / periodUs / QUOTA_STEP_USEC) * QUOTA_STEP_USEC;
  return [size("CPUQuotaPeriodUSec", periodUs), size("CPUQuotaPerSecUSec", quotaUs > 0 ? perSecond : -1)];
}

/** "0-2,8" as bits, the lowest first. */
export function bitmapOf(list: string): number[] {
  const bytes: number[] = [];
  for (const range of list.split(",").filter((text) => text.trim() !== "")) {
    const [first = 0, last = first] = range.trim().split("-").map(Number);
    for (let bit = first; bit <= last; bit++) {
      while (bytes.length <= bit >> 3) bytes.push(0);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
  }
  return bytes;
}

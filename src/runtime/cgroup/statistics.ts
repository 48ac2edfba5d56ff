import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../errors/index.ts";
import { type CgroupLayout, legacyFolder, unifiedFolder } from "./layout.ts";

/** What a control group has used. Times in nanoseconds, sizes in bytes. What the kernel does not count is absent. */
export interface CgroupStatistics {
  readonly cpu: CpuStatistics;
  readonly memory?: MemoryStatistics;
  readonly pids?: { readonly current: number /** undefined: no limit. */; readonly limit?: number };
  readonly io: { readonly bytes: readonly IoCount[]; readonly operations: readonly IoCount[] };
  /** Pressure stall information (kernel: accounting/psi). */
  readonly pressure?: Readonly<Record<"cpu" | "memory" | "io", Pressure>>;
}

export interface CpuStatistics {
  readonly usageNs: number;
  readonly userNs: number;
  readonly systemNs: number;
  /** By CPU; version 1 only. */
  readonly perCpuNs?: readonly number[];
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledNs: number;
}

export interface MemoryStatistics {
  readonly usage: number;
  readonly maxUsage?: number;
  /** undefined: no limit. */
  readonly limit?: number;
  readonly failures: number;
  /** Lines of memory.stat. */
  readonly details: Readonly<Record<string, number>>;
}

export interface IoCount {
  readonly major: number;
  readonly minor: number;
  /** "read", "write", … */
  readonly operation: string;
  readonly value: number;
}

export interface PressureLine {
  /** Percent of time, over the last ten seconds, minute and five minutes. */
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly totalNs: number;
}

export interface Pressure {
  readonly some: PressureLine;
  readonly full?: PressureLine;
}

export function readStatistics(layout: CgroupLayout, path: string): CgroupStatistics {
  const legacy = (controller: string) => legacyFolder(layout, path, controller);
  const unified = unifiedFolder(layout, path) ?? "";
  const account = legacy("cpuacct");
  const memory = legacy("memory");
  const pids = legacy("pids") ?? unified;
  const blkio = legacy("blkio");
  const memoryStatistics = memory === undefined ? unifiedMemory(unified) : legacyMemory(memory);
  const pidStatistics = readPids(pids);
  const pressure = readPressures(unified);
  return {
    cpu: account === undefined ? unifiedCpu(unified) : legacyCpu(account, legacy("cpu") ?? account),
    ...(memoryStatistics === undefined ? {} : { memory: memoryStatistics }),
    ...(pidStatistics === undefined ? {} : { pids: pidStatistics }),
    io: blkio === undefined ? unifiedIo(unified) : legacyIo(blkio),
    ...(pressure === undefined ? {} : { pressure }),
  };
}

/** "oom_kill N" in memory.oom_control of version 1 and in memory.events of version 2 alike. */
export function readOomKills(layout: CgroupLayout, path: string): number {
  const memory = legacyFolder(layout, path, "memory");
  const file =
    memory === undefined ? `${unifiedFolder(layout, path)}/memory.events` : `${memory}/memory.oom_control`;
  return keyed(file).oom_kill ?? 0;
}

const NS_PER_USEC = 1000;
/** USER_HZ: what the kernel counts ticks in towards programs, on every architecture that Linux has today. */
const NS_PER_TICK = 1e9 / 100;

function legacyCpu(account: string, cpu: string): CpuStatistics {
  const ticks = keyed(join(account, "cpuacct.stat"));
  const limits = keyed(join(cpu, "cpu.stat"));
  return {
    usageNs: number(join(account, "cpuacct.usage")) ?? 0,
    userNs: (ticks.user ?? 0) * NS_PER_TICK,
    systemNs: (ticks.system ?? 0) * NS_PER_TICK,
    perCpuNs: read(join(account, "cpuacct.usage_percpu")).trim().split(/\s+/).map(Number),
    periods: limits.nr_periods ?? 0,
    throttledPeriods: limits.nr_throttled ?? 0,
    throttledNs: limits.throttled_time ?? 0,
  };
}

function unifiedCpu(folder: string): CpuStatistics {
  const values = keyed(join(folder, "cpu.stat"));
  return {
    usageNs: (values.usage_usec ?? 0) * NS_PER_USEC,
    userNs: (values.user_usec ?? 0) * NS_PER_USEC,
    systemNs: (values.system_usec ?? 0) * NS_PER_USEC,
    periods: values.nr_periods ?? 0,
    throttledPeriods: values.nr_throttled ?? 0,
    throttledNs: (values.throttled_usec ?? 0) * NS_PER_USEC,
  };
}

/** Version 1 writes "no limit" as the largest number of whole pages. */
const NO_LIMIT = 2 ** 62;

function legacyMemory(folder: string): MemoryStatistics | undefined {
  const usage = number(join(folder, "memory.usage_in_bytes"));
  if (usage === undefined) return undefined;
  const limit = number(join(folder, "memory.limit_in_bytes")) ?? NO_LIMIT;
  return {
    usage,
    maxUsage: number(join(folder, "memory.max_usage_in_bytes")) ?? 0,
    ...(limit >= NO_LIMIT ? {} : { limit }),
    failures: number(join(folder, "memory.failcnt")) ?? 0,
    details: keyed(join(folder, "memory.stat")),
  };
}

function unifiedMemory(folder: string): MemoryStatistics | undefined {
  const usage = number(join(folder, "memory.current"));
  if (usage === undefined) return undefined;
  const limit = number(join(folder, "memory.max"));
  return {
    usage,
    ...(limit === undefined ? {} : { limit }),
    failures: keyed(join(folder, "memory.events")).oom ?? 0,
    details: keyed(join(folder, "memory.stat")),
  };
}

function readPids(folder: string): CgroupStatistics["pids"] {
  const current = number(join(folder, "pids.current"));
  if (current === undefined) return undefined;
  const limit = number(join(folder, "pids.max"));
  return { current, ...(limit === undefined ? {} : { limit }) };
}

/** "8:0 Read 4096" lines: of the BFQ scheduler where a device has it, else of the throttling layer that all have. */
function legacyIo(folder: string): CgroupStatistics["io"] {
  const counts = (...files: string[]): IoCount[] => {
    for (const file of files) {
      const found = [...read(join(folder, file)).matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(
        ([, major, minor, operation = "", value]): IoCount => ({
          major: Number(major),
          minor: Number(minor),
          operation: operation.toLowerCase(),
          value: Number(value),
        }),
      );
      if (found.length > 0) return found;
    }
    return [];
  };
  return {
    bytes: counts("blkio.bfq.io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive"),
    operations: counts("blkio.bfq.io_serviced_recursive", "blkio.throttle.io_serviced_recursive"),
  };
}

/** "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" lines of io.stat. */
function unifiedIo(folder: string): CgroupStatistics["io"] {
  const bytes: IoCount[] = [];
  const operations: IoCount[] = [];
  for (const [, major, minor, rest = ""] of read(join(folder, "io.stat")).matchAll(/^(\d+):(\d+) (.*)$/gm)) {
    const device = { major: Number(major), minor: Number(minor) };
    const values = Object.fromEntries(rest.split(" ").map((pair) => pair.split("=")));
    const count = (operation: string, key: string): IoCount => ({
      ...device,
      operation,
      value: Number(values[key] ?? 0),
    });
    bytes.push(count("read", "rbytes"), count("write", "wbytes"));
    operations.push(count("read", "rios"), count("write", "wios"));
  }
  return { bytes, operations };
}

function readPressures(folder: string): CgroupStatistics["pressure"] {
  const [cpu, memory, io] = ["cpu", "memory", "io"].map((name) =>
    parsePressure(read(join(folder, `${name}.pressure`))),
  );
  return cpu === undefined || memory === undefined || io === undefined ? undefined : { cpu, memory, io };
}

/** "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the same of "full". */
export function parsePressure(text: string): Pressure | undefined {
  const lineOf = (kind: string): PressureLine | undefined => {
    const match = new RegExp(
      `^${kind} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+) total=(\\d+)$`,
      "m",
    ).exec(text);
    if (match === null) return undefined;
    const [avg10 = 0, avg60 = 0, avg300 = 0, total = 0] = match.slice(1).map(Number);
    return { avg10, avg60, avg300, totalNs: total * NS_PER_USEC };
  };
  const some = lineOf("some");
  const full = lineOf("full");
  return some === undefined ? undefined : { some, ...(full === undefined ? {} : { full }) };
}

/** A file of the kernel, empty when it has none (or lets nobody read pressure: then EOPNOTSUPP). */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV" || errno === "EOPNOTSUPP" || errno === "ENOTSUP") return "";
    throw error;
  }
}

/** One number; undefined for a file that is not there and for "max". */
function number(file: string): number | undefined {
  const text = read(file).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** "name 123" lines. */
function keyed(file: string): Record<string, number> {
  return Object.fromEntries(
    [...read(file).matchAll(/^(\S+) (\d+)$/gm)].map(([, key, value]) => [key, Number(value)]),
  );
}

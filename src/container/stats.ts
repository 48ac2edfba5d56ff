import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "../errors/index.ts";
import type { CgroupStatistics } from "../runtime/cgroup/index.ts";
import { formatTimestamp, ZERO_TIME } from "../units/index.ts";
import type { CpuStats, NetworkStats, StatsReply } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import type { ContainerRecord } from "./record.ts";
import { isRunning } from "./state.ts";

const INTERVAL_MS = 1000;

/**
 * What a container uses, once a second until `signal` aborts or the container is removed. Each sample carries the one
 * before it, so that a client can work out rates from one alone. Throws not-found before the first.
 */
export async function* streamStats(
  context: ContainerContext,
  reference: string,
  signal: AbortSignal,
): AsyncGenerator<StatsReply> {
  const { id } = context.table.find(reference);
  let before: StatsReply | undefined;
  for (;;) {
    const record = context.table.get(id);
    if (record === undefined || signal.aborted) return;
    const sample = sampleOf(context, record, before);
    before = sample;
    yield sample;
    await sleep(INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
}

/** One sample. With `oneShot` without one before it; else a second is waited for the rates. */
export async function readStats(
  context: ContainerContext,
  reference: string,
  oneShot: boolean,
  signal: AbortSignal,
): Promise<StatsReply> {
  const record = context.table.find(reference);
  const first = sampleOf(context, record, undefined);
  if (oneShot || !isRunning(record.state)) return first;
  await sleep(INTERVAL_MS, undefined, { signal }).catch(() => {});
  return sampleOf(context, context.table.find(record.id), first);
}

const NO_CPU: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

const NO_IO = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};

function sampleOf(
  context: ContainerContext,
  record: ContainerRecord,
  before: StatsReply | undefined,
): StatsReply {
  const frame = {
    name: `/${record.name}`,
    id: record.id,
    preread: before?.read ?? ZERO_TIME,
    num_procs: 0,
    storage_stats: {},
    precpu_stats: before?.cpu_stats ?? NO_CPU,
  };
  const { state } = record;
  if (!isRunning(state)) {
    return {
      ...frame,
      read: ZERO_TIME,
      cpu_stats: NO_CPU,
      memory_stats: {},
      pids_stats: {},
      blkio_stats: NO_IO,
    };
  }
  const group = context.groups.of(record).statistics();
  return {
    ...frame,
    read: formatTimestamp(BigInt(Date.now()) * 1_000_000n),
    cpu_stats: cpuStats(group.cpu),
    memory_stats: memoryStats(group.memory),
    pids_stats:
      group.pids === undefined
        ? {}
        : {
            current: group.pids.current,
            ...(group.pids.limit === undefined ? {} : { limit: group.pids.limit }),
          },
    blkio_stats: ioStats(group.io),
    ...(record.definition.hostConfig.NetworkMode === "host" ? {} : { networks: networksOf(state.pid) }),
    ...(group.pressure === undefined ? {} : { pressure_stats: group.pressure }),
  };
}

function cpuStats(cpu: CgroupStatistics["cpu"]): CpuStats {
  return {
    cpu_usage: {
      total_usage: cpu.usageNs,
      ...(cpu.perCpuNs === undefined ? {} : { percpu_usage: [...cpu.perCpuNs] }),
      usage_in_kernelmode: cpu.systemNs,
      usage_in_usermode: cpu.userNs,
    },
    system_cpu_usage: systemCpuNs(),
    online_cpus: cpus().length,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledNs,
    },
  };
}

const NS_PER_TICK = 1e9 / 100;

/** Time of all CPUs together: user, nice, system, idle, iowait, irq and softirq of /proc/stat (proc_stat(5)). */
function systemCpuNs(): number {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const ticks = line.trim().split(/\s+/).slice(1, 8).map(Number);
  return ticks.reduce((sum, value) => sum + value, 0) * NS_PER_TICK;
}

function memoryStats(memory: CgroupStatistics["memory"]): StatsReply["memory_stats"] {
  if (memory === undefined) return {};
  return {
    usage: memory.usage,
    ...(memory.maxUsage === undefined ? {} : { max_usage: memory.maxUsage }),
    stats: { ...memory.details },
    failcnt: memory.failures,
    limit: Math.min(memory.limit ?? Number.MAX_SAFE_INTEGER, totalmem()),
  };
}

function ioStats({ bytes, operations }: CgroupStatistics["io"]): StatsReply["blkio_stats"] {
  const entries = (counts: typeof bytes) =>
    counts.length === 0
      ? null
      : counts.map(({ major, minor, operation, value }) => ({ major, minor, op: operation, value }));
  return {
    ...NO_IO,
    io_service_bytes_recursive: entries(bytes),
    io_serviced_recursive: entries(operations),
  };
}

/** Counters of the interfaces that a process sees, without loopback (proc_pid_net(5), dev). */
function networksOf(pid: number): Record<string, NetworkStats> {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/net/dev`, "utf8");
  } catch (error) {
    // It ended a moment ago.
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EINVAL" || errnoOf(error) === "ESRCH") return {};
    throw error;
  }
  const found: Record<string, NetworkStats> = {};
  for (const [, name = "", numbers = ""] of text.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)) {
    if (name === "lo") continue;
    const n = numbers.trim().split(/\s+/).map(Number);
    found[name] = {
      rx_bytes: n[0] ?? 0,
      rx_packets: n[1] ?? 0,
      rx_errors: n[2] ?? 0,
      rx_dropped: n[3] ?? 0,
      tx_bytes: n[8] ?? 0,
      tx_packets: n[9] ?? 0,
      tx_errors: n[10] ?? 0,
      tx_dropped: n[11] ?? 0,
    };
  }
  return found;
}

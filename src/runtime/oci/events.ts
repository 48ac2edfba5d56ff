import { setTimeout as sleep } from "node:timers/promises";
import { conflict } from "../../errors/index.ts";
import { type CgroupStatistics, controlGroup } from "../cgroup/index.ts";
import type { OciContext } from "./context.ts";

export interface OciEvent {
  readonly type: "stats" | "oom";
  readonly id: string;
  readonly data?: object;
}

/** What a container uses, in the form that callers of runc know. Throws conflict when it does not run. */
export function statsEvent(context: OciContext, id: string): OciEvent {
  const record = context.store.load(id);
  if (context.store.statusOf(record) === "stopped") throw conflict(`container with id ${id} is not running`);
  return { type: "stats", id, data: describe(controlGroup(context.layout, record.cgroupPath).statistics()) };
}

/** Statistics every so often, and out-of-memory kills as far as they are seen then, until the container has ended. */
export async function* streamEvents(
  context: OciContext,
  id: string,
  intervalMs: number,
): AsyncGenerator<OciEvent> {
  const record = context.store.load(id);
  const group = controlGroup(context.layout, record.cgroupPath);
  let kills = group.oomKills();
  yield statsEvent(context, id);
  for (;;) {
    await sleep(intervalMs);
    const now = group.oomKills();
    if (now > kills) yield { type: "oom", id };
    kills = now;
    if (context.store.statusOf(record) === "stopped") return;
    yield statsEvent(context, id);
  }
}

function describe({ cpu, memory, pids, io, pressure }: CgroupStatistics): object {
  const entries = (counts: CgroupStatistics["io"]["bytes"]) =>
    counts.map(({ major, minor, operation, value }) => ({ major, minor, op: operation, value }));
  return {
    cpu: {
      usage: {
        total: cpu.usageNs,
        ...(cpu.perCpuNs === undefined ? {} : { percpu: cpu.perCpuNs }),
        kernel: cpu.systemNs,
        user: cpu.userNs,
      },
      throttling: {
        periods: cpu.periods,
        throttledPeriods: cpu.throttledPeriods,
        throttledTime: cpu.throttledNs,
      },
      ...(pressure === undefined ? {} : { psi: pressure.cpu }),
    },
    memory:
      memory === undefined
        ? {}
        : {
            usage: {
              limit: memory.limit ?? Number.MAX_SAFE_INTEGER,
              usage: memory.usage,
              max: memory.maxUsage ?? 0,
              failcnt: memory.failures,
            },
            raw: memory.details,
            ...(pressure === undefined ? {} : { psi: pressure.memory }),
          },
    pids: pids === undefined ? {} : { current: pids.current, limit: pids.limit ?? 0 },
    blkio: {
      ioServiceBytesRecursive: entries(io.bytes),
      ioServicedRecursive: entries(io.operations),
      ...(pressure === undefined ? {} : { psi: pressure.io }),
    },
  };
}

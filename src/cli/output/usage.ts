import { binarySize, humanSize } from "../../units/index.ts";
import type { BlkioEntry, StatsReply } from "../../wire/index.ts";
import { type Column, printList } from "./list.ts";
import { shortId } from "./words.ts";

/** One line of `stats`. */
export interface Usage {
  /** As the user named it. */
  readonly container: string;
  /** undefined until the first has come. */
  readonly sample: StatsReply | undefined;
}

/** A sample as a line; that of a container that does not run shows as zeros. */
export const usageOf = (container: string, sample: StatsReply): Usage => ({ container, sample });

export async function printUsage(
  rows: readonly Usage[],
  { format, whole }: { format: string; whole: boolean },
): Promise<void> {
  const shown = ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];
  await printList(rows, { columns: columns(whole), shown, format });
}

/** A column that shows "--" until there is a sample. */
const column = (name: string, header: string, text: (sample: StatsReply) => string): Column<Usage> => ({
  name,
  header,
  text: ({ sample }) => (sample === undefined ? "--" : text(sample)),
});

function columns(whole: boolean): Column<Usage>[] {
  return [
    { name: "Container", header: "CONTAINER", text: ({ container }) => container },
    column("ID", "CONTAINER ID", ({ id }) => (whole ? id : shortId(id))),
    column("Name", "NAME", ({ name }) => name.replace(/^\//, "")),
    column("CPUPerc", "CPU %", (sample) => `${cpuPercent(sample).toFixed(2)}%`),
    column(
      "MemUsage",
      "MEM USAGE / LIMIT",
      (sample) => `${binarySize(memoryUsed(sample))} / ${binarySize(sample.memory_stats.limit ?? 0)}`,
    ),
    column("MemPerc", "MEM %", (sample) => `${memoryPercent(sample).toFixed(2)}%`),
    column("NetIO", "NET I/O", (sample) => {
      const networks = Object.values(sample.networks ?? {});
      return pair(
        sum(networks.map(({ rx_bytes }) => rx_bytes)),
        sum(networks.map(({ tx_bytes }) => tx_bytes)),
      );
    }),
    column("BlockIO", "BLOCK I/O", ({ blkio_stats }) => {
      const entries = blkio_stats.io_service_bytes_recursive ?? [];
      return pair(bytesOf(entries, "read"), bytesOf(entries, "write"));
    }),
    column("PIDs", "PIDS", ({ pids_stats }) => String(pids_stats.current ?? 0)),
  ];
}

const pair = (first: number, second: number) => `${humanSize(first, 3)} / ${humanSize(second, 3)}`;
const sum = (numbers: readonly number[]) => numbers.reduce((total, value) => total + value, 0);
const bytesOf = (entries: readonly BlkioEntry[], operation: string) =>
  sum(entries.filter(({ op }) => op.toLowerCase() === operation).map(({ value }) => value));

/** Of one CPU: 200 % are two whole ones. */
export function cpuPercent({ cpu_stats: now, precpu_stats: before }: StatsReply): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const count = now.online_cpus ?? now.cpu_usage.percpu_usage?.length ?? 1;
  return used > 0 && passed > 0 && before.system_cpu_usage !== undefined ? (used / passed) * count * 100 : 0;
}

/** Without the cached pages that the kernel would give back: total_inactive_file of version 1, inactive_file of 2. */
export function memoryUsed({ memory_stats: { usage = 0, stats = {} } }: StatsReply): number {
  const inactive = stats.total_inactive_file ?? stats.inactive_file ?? 0;
  return inactive < usage ? usage - inactive : usage;
}

function memoryPercent(sample: StatsReply): number {
  const { limit = 0 } = sample.memory_stats;
  return limit === 0 ? 0 : (memoryUsed(sample) / limit) * 100;
}

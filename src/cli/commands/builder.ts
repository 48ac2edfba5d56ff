import { binarySize, humanDuration, humanSize, parseBytes } from "../../units/index.ts";
import type { BuildCacheRecord, BuildHistoryRecord, BuildPruneReply } from "../../wire/index.ts";
import { bool, type Command, FORMAT_FLAG, list, string } from "../command/command.ts";
import { confirm } from "../output/confirm.ts";
import { printList } from "../output/list.ts";
import { print, printLine } from "../output/print.ts";
import { ellipsis } from "../output/words.ts";

const ago = (time: string): string => `${humanDuration(Date.now() - Date.parse(time))} ago`;

const RECORD_COLUMNS = [
  { name: "ID", header: "ID", text: (row: BuildCacheRecord) => row.ID },
  { name: "Type", header: "TYPE", text: (row: BuildCacheRecord) => row.Type },
  {
    name: "Reclaimable",
    header: "RECLAIMABLE",
    text: (row: BuildCacheRecord) => String(!row.InUse && !row.Shared),
  },
  { name: "Size", header: "SIZE", text: (row: BuildCacheRecord) => humanSize(row.Size) },
  { name: "LastUsed", header: "LAST USED", text: (row: BuildCacheRecord) => ago(row.LastUsedAt) },
  { name: "Usage", header: "USAGE", text: (row: BuildCacheRecord) => String(row.UsageCount) },
  {
    name: "Description",
    header: "DESCRIPTION",
    text: (row: BuildCacheRecord) => ellipsis(row.Description.replaceAll(/\s+/g, " "), 50),
  },
  { name: "Kept", header: "KEPT BECAUSE", text: reasonOf },
];

/** Why a record is there and what its removal would do. */
function reasonOf(row: BuildCacheRecord): string {
  if (row.InUse) return "a build uses it now";
  if (row.Shared) return "an image has the same layer";
  const origin = row.Origin === undefined ? "" : `came from ${row.Origin}, `;
  return `${origin}used ${row.UsageCount} ${row.UsageCount === 1 ? "time" : "times"}, below the ceiling`;
}

const DEFAULT_COLUMNS = ["ID", "Type", "Reclaimable", "Size", "LastUsed", "Description", "Kept"];

export const builderDu: Command = {
  name: "builder du",
  usage: "[OPTIONS]",
  description: "Show what the build cache keeps, and why",
  flags: [FORMAT_FLAG],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const records = await client.json<BuildCacheRecord[]>("GET", "/build/cache");
    await printList(records, {
      columns: RECORD_COLUMNS,
      shown: DEFAULT_COLUMNS,
      format: flags.string("format"),
    });
    if (flags.string("format") !== "") return 0;
    const sum = (rows: readonly BuildCacheRecord[]) =>
      humanSize(rows.reduce((total, { Size }) => total + Size, 0));
    await print(
      `Shared:\t\t${sum(records.filter(({ Shared }) => Shared))}\nReclaimable:\t${sum(records.filter(({ Shared, InUse }) => !Shared && !InUse))}\nTotal:\t\t${sum(records)}\n`,
    );
    return 0;
  },
};

export const builderPrune: Command = {
  name: "builder prune",
  usage: "[OPTIONS]",
  description: "Remove build cache",
  flags: [
    bool("all", "Remove what images share as well", { short: "a" }),
    bool("dry-run", "Show what would go, and remove nothing"),
    list("filter", 'Which records ("until=24h", "id=…")'),
    bool("force", "Do not ask", { short: "f" }),
    string("keep-storage", "Amount of cache to keep", { type: "bytes" }),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const isDry = flags.bool("dry-run");
    const warning = flags.bool("all")
      ? "WARNING! This will remove all build cache."
      : "WARNING! This will remove all dangling build cache.";
    if (!isDry && !flags.bool("force") && !(await confirm(warning))) return 1;
    const filters: Record<string, string[]> = {};
    for (const filter of flags.list("filter")) {
      const [key = "", value = ""] = filter.split("=", 2);
      filters[key] = [...(filters[key] ?? []), value];
    }
    const keep = flags.string("keep-storage");
    const reply = await client.json<BuildPruneReply>("POST", "/build/prune", {
      all: flags.bool("all") ? 1 : undefined,
      dryrun: isDry ? 1 : undefined,
      filters: JSON.stringify(filters),
      "keep-storage": keep === "" ? undefined : parseBytes(keep),
    });
    if (reply.Records !== undefined) {
      await printList(reply.Records, {
        columns: RECORD_COLUMNS,
        shown: ["ID", "Type", "Size", "LastUsed", "Description"],
        format: "",
      });
      await printLine(`Would free:\t${binarySize(reply.SpaceReclaimed)}`);
      return 0;
    }
    for (const id of reply.CachesDeleted ?? []) await printLine(id);
    await printLine(`Total:\t${humanSize(reply.SpaceReclaimed)}`);
    return 0;
  },
};

export const builderHistory: Command = {
  name: "builder history",
  usage: "[OPTIONS]",
  description: "Show the builds since the daemon's start",
  flags: [FORMAT_FLAG],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const builds = await client.json<BuildHistoryRecord[]>("GET", "/build/history");
    await printList(builds, {
      columns: [
        { name: "ID", header: "BUILD ID", text: (row) => row.ID },
        { name: "Name", header: "NAME", text: (row) => row.Name || "-" },
        { name: "Status", header: "STATUS", text: (row) => row.Status },
        { name: "Steps", header: "STEPS", text: (row) => `${row.Steps} (${row.CachedSteps} cached)` },
        { name: "CreatedAt", header: "CREATED AT", text: (row) => ago(row.StartedAt) },
        { name: "Duration", header: "DURATION", text: (row) => `${(row.DurationMs / 1000).toFixed(1)}s` },
        { name: "Error", header: "ERROR", text: (row) => ellipsis(row.Error.split("\n", 1)[0] ?? "", 60) },
      ],
      shown: ["ID", "Name", "Status", "Steps", "CreatedAt", "Duration"],
      format: flags.string("format"),
    });
    return 0;
  },
};

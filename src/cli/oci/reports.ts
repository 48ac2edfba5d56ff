import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { conflict, invalid } from "../../errors/index.ts";
import { controlGroup } from "../../runtime/cgroup/index.ts";
import {
  type ContainerRecord,
  describeFeatures,
  type OciContext,
  parseJson,
  reportOf,
  statsEvent,
  streamEvents,
  templateConfig,
} from "../../runtime/oci/index.ts";
import { listProcesses } from "../../runtime/ps/index.ts";
import { requireGoDuration } from "../../units/index.ts";
import { bool, string } from "../command/command.ts";
import { print, printLine } from "../output/print.ts";
import { formatTable } from "../output/table.ts";
import type { OciCommand } from "./command.ts";

const ID = "CONTAINER";
const FORMAT = string("format", "'table' or 'json'", { short: "f", fallback: "table" });

/** What is told of a container beyond what the specification calls its state. */
function describe(context: OciContext, record: ContainerRecord): object {
  const rootfs = parseJson(record.config, "config.json").get("root").get("path").string();
  const { annotations, ...report } = reportOf(record, context.store.statusOf(record));
  return {
    ...report,
    rootfs: rootfs.startsWith("/") ? rootfs : join(record.bundle, rootfs),
    created: record.createdAt,
    ...(annotations === undefined ? {} : { annotations }),
    owner: record.owner,
  };
}

export const state: OciCommand = {
  summary: "Print the state of a container as JSON",
  usage: ID,
  flags: [],
  minArgs: 1,
  maxArgs: 1,
  async run({ context, args: [id = ""] }) {
    await printLine(JSON.stringify(describe(context, context.store.load(id)), null, 2));
    return 0;
  },
};

export const list: OciCommand = {
  summary: "List the containers below --root",
  usage: "[OPTIONS]",
  flags: [FORMAT, bool("quiet", "Print ids only", { short: "q" })],
  minArgs: 0,
  maxArgs: 0,
  async run({ context, flags }) {
    const records = context.store.list();
    if (flags.bool("quiet")) {
      await print(records.map(({ id }) => `${id}\n`).join(""));
    } else if (flags.string("format") === "json") {
      await printLine(JSON.stringify(records.map((record) => describe(context, record))));
    } else if (flags.string("format") === "table") {
      const rows = records.map((record) => {
        const { id, pid, status, bundle } = reportOf(record, context.store.statusOf(record));
        return [id, String(pid), status, bundle, record.createdAt];
      });
      await print(formatTable([["ID", "PID", "STATUS", "BUNDLE", "CREATED"], ...rows]));
    } else throw invalid("invalid format option");
    return 0;
  },
};

export const ps: OciCommand = {
  summary: "Display the processes of a container",
  usage: `[OPTIONS] ${ID} [ps OPTIONS]`,
  flags: [FORMAT],
  minArgs: 1,
  async run({ context, flags, args: [id = "", ...options] }) {
    const record = context.store.load(id);
    const pids = controlGroup(context.layout, record.cgroupPath).processes();
    if (flags.string("format") === "json") {
      await printLine(JSON.stringify(pids));
      return 0;
    }
    if (flags.string("format") !== "table") throw invalid("invalid format option");
    const { titles, rows } = await listProcesses(pids, options.join(" "));
    await print(formatTable([titles, ...rows]));
    return 0;
  },
};

export const events: OciCommand = {
  summary: "Display what a container uses, as JSON, every so often",
  usage: `[OPTIONS] ${ID}`,
  flags: [
    string("interval", "Time between two reports", { fallback: "5s", type: "duration" }),
    bool("stats", "Once"),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ context, flags, args: [id = ""] }) {
    if (flags.bool("stats")) {
      await printLine(JSON.stringify(statsEvent(context, id)));
      return 0;
    }
    const intervalMs = Number(requireGoDuration(flags.string("interval")) / 1_000_000n);
    if (intervalMs <= 0) throw invalid("duration interval must be greater than 0");
    for await (const event of streamEvents(context, id, intervalMs)) await printLine(JSON.stringify(event));
    return 0;
  },
};

export const features: OciCommand = {
  summary: "Print what this runtime can do, as JSON",
  usage: "",
  flags: [],
  minArgs: 0,
  maxArgs: 0,
  async run({ context }) {
    await printLine(JSON.stringify(describeFeatures(context.layout), null, 4));
    return 0;
  },
};

export const spec: OciCommand = {
  summary: "Write a config.json to begin with",
  usage: "[OPTIONS]",
  flags: [string("bundle", "Folder to write it to", { short: "b", fallback: "." })],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags }) {
    const file = join(flags.string("bundle"), "config.json");
    if (existsSync(file)) throw conflict("File config.json exists. Remove it first");
    writeFileSync(file, `${JSON.stringify(templateConfig(), null, "\t")}\n`);
    return 0;
  },
};

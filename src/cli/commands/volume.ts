import { humanSize } from "../../units/index.ts";
import type { VolumeInspect } from "../../wire/index.ts";
import { bool, type Command, FORMAT_FLAG, list, string } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { confirm } from "../output/confirm.ts";
import { type Column, printList } from "../output/list.ts";
import { print, printLine, writeOut } from "../output/print.ts";
import { sourceOf, writeFileWhole } from "../run/files.ts";
import { pairs } from "../run/pairs.ts";
import { forEach, segment } from "./each.ts";
import { filtersOf } from "./filters.ts";

export const createVolume: Command = {
  name: "volume create",
  usage: "[OPTIONS] [VOLUME]",
  description: "Create a volume",
  flags: [
    string("driver", "Driver of the volume", { short: "d", fallback: "local" }),
    list("label", "Set metadata"),
    string("name", "Name of the volume"),
    list("opt", "Options of the driver: type=, device=, o=, size=", { short: "o", type: "map" }),
  ],
  minArgs: 0,
  maxArgs: 1,
  async run({ flags, args: [name], client }) {
    if (name !== undefined && flags.has("name"))
      throw new ExitError(
        1,
        "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
      );
    const { Name } = await client.json<VolumeInspect>(
      "POST",
      "/volumes/create",
      {},
      {
        Name: name ?? flags.string("name"),
        Driver: flags.string("driver"),
        DriverOpts: pairs(flags.list("opt")),
        Labels: pairs(flags.list("label")),
      },
    );
    await printLine(Name);
    return 0;
  },
};

export const listVolumes: Command = {
  name: "volume ls",
  usage: "[OPTIONS]",
  description: "List volumes",
  aliases: ["volume ls", "volume list"],
  flags: [
    list("filter", "Show only what fits (key=value)", { short: "f", type: "filter" }),
    FORMAT_FLAG,
    bool("quiet", "Print names only", { short: "q" }),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const { Volumes } = await client.json<{ Volumes: VolumeInspect[] | null }>("GET", "/volumes", {
      filters: filtersOf(flags.list("filter")),
    });
    const volumes = (Volumes ?? []).toSorted((a, b) => (a.Name < b.Name ? -1 : 1));
    const format = flags.string("format");
    if (flags.bool("quiet") && format === "") {
      await print(volumes.map(({ Name }) => `${Name}\n`).join(""));
      return 0;
    }
    await printList(volumes, {
      columns: COLUMNS,
      shown: ["Driver", "Name"],
      methods: { Label: ({ Labels }, key) => Labels?.[String(key)] ?? "" },
      format,
    });
    return 0;
  },
};

const COLUMNS: readonly Column<VolumeInspect>[] = [
  { name: "Driver", header: "DRIVER", text: ({ Driver }) => Driver },
  { name: "Name", header: "VOLUME NAME", text: ({ Name }) => Name },
  { name: "Scope", header: "SCOPE", text: ({ Scope }) => Scope },
  { name: "Mountpoint", header: "MOUNTPOINT", text: ({ Mountpoint }) => Mountpoint },
  {
    name: "Labels",
    header: "LABELS",
    text: ({ Labels }) =>
      Object.entries(Labels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(","),
  },
];

export const removeVolumes: Command = {
  name: "volume rm",
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  description: "Remove one or more volumes",
  aliases: ["volume rm", "volume remove"],
  flags: [bool("force", "Do not fail for a volume that is not there", { short: "f" })],
  minArgs: 1,
  run: ({ flags, args, client }) =>
    forEach(args, (name) =>
      client.json("DELETE", `/volumes/${segment(name)}`, { force: flags.bool("force") ? 1 : undefined }),
    ),
};

export const pruneVolumes: Command = {
  name: "volume prune",
  usage: "[OPTIONS]",
  description: "Remove unused local volumes",
  flags: [
    bool("all", "Also those with a name", { short: "a" }),
    list("filter", "Remove only what fits (label=KEY)", { type: "filter" }),
    bool("force", "Do not ask", { short: "f" }),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const which = flags.bool("all") ? "all local volumes" : "anonymous local volumes";
    const warning = `WARNING! This will remove ${which} not used by at least one container.`;
    if (!flags.bool("force") && !(await confirm(warning))) return 0;
    const filters = [...flags.list("filter"), ...(flags.bool("all") ? ["all=true"] : [])];
    const { VolumesDeleted, SpaceReclaimed } = await client.json<{
      VolumesDeleted: string[] | null;
      SpaceReclaimed: number;
    }>("POST", "/volumes/prune", { filters: filtersOf(filters) });
    const removed = VolumesDeleted ?? [];
    if (removed.length > 0) await print(`Deleted Volumes:\n${removed.join("\n")}\n\n`);
    await printLine(`Total reclaimed space: ${humanSize(SpaceReclaimed)}`);
    return 0;
  },
};

export const exportVolume: Command = {
  name: "volume export",
  usage: "[OPTIONS] VOLUME",
  description:
    "Write what is in a volume to a tar archive (to STDOUT by default), also while containers use it",
  flags: [string("output", "Write to a file, instead of STDOUT", { short: "o" })],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [name = ""], client }) {
    const output = flags.string("output");
    if (output === "" && process.stdout.isTTY)
      throw new ExitError(
        1,
        "cowardly refusing to write an archive to a terminal. Use the -o flag or redirect",
      );
    const archive = client.bytes("GET", `/volumes/${segment(name)}/archive`);
    if (output !== "") await writeFileWhole(output, archive);
    else for await (const bytes of archive) await writeOut(1, bytes);
    return 0;
  },
};

export const importVolume: Command = {
  name: "volume import",
  usage: "VOLUME file|-",
  description: "Unpack a tar archive, compressed or not, into a volume, which is made when it is not there",
  flags: [],
  minArgs: 2,
  maxArgs: 2,
  async run({ args: [name = "", source = ""], client }) {
    await client.json("PUT", `/volumes/${segment(name)}/archive`, {}, sourceOf(source));
    return 0;
  },
};

export const cloneVolume: Command = {
  name: "volume clone",
  usage: "VOLUME NEW_VOLUME",
  description: "Make a volume with the content of another; blocks are shared where the file system can",
  flags: [],
  minArgs: 2,
  maxArgs: 2,
  async run({ args: [from = "", to = ""], client }) {
    const { Name } = await client.json<VolumeInspect>("POST", `/volumes/${segment(from)}/clone`, { to });
    await printLine(Name);
    return 0;
  },
};

import { humanDuration, humanSize } from "../../units/index.ts";
import type { ContainerSummary } from "../../wire/index.ts";
import { bool, type Command, FORMAT_FLAG, int, list } from "../command/command.ts";
import { type Column, printList } from "../output/list.ts";
import { displayPorts } from "../output/ports.ts";
import { print } from "../output/print.ts";
import { ellipsis, goTime, labelText, shortId } from "../output/words.ts";
import { filtersOf } from "./filters.ts";

export const ps: Command = {
  name: "ps",
  usage: "[OPTIONS]",
  description: "List containers",
  aliases: ["container ls", "container list", "container ps", "ps"],
  flags: [
    bool("all", "Show all containers, not only those that run", { short: "a" }),
    list("filter", "Show only what fits (key=value)", { short: "f", type: "filter" }),
    FORMAT_FLAG,
    int("last", "Show the n containers created last, whatever their state", { short: "n", fallback: "-1" }),
    bool("latest", "Show the container created last, whatever its state", { short: "l" }),
    bool("no-trunc", "Do not shorten output"),
    bool("quiet", "Print IDs only", { short: "q" }),
    bool("size", "Show the sizes of files", { short: "s" }),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const last = flags.bool("latest") ? 1 : (flags.int("last") ?? -1);
    const format = flags.string("format");
    const size = flags.bool("size") || /\.Size\b/.test(format);
    const rows = await client.json<ContainerSummary[]>("GET", "/containers/json", {
      all: flags.bool("all") || last > 0 ? 1 : undefined,
      limit: last > 0 ? last : undefined,
      size: size ? 1 : undefined,
      filters: filtersOf(flags.list("filter")),
    });
    const whole = flags.bool("no-trunc");
    if (flags.bool("quiet") && format === "") {
      await print(rows.map(({ Id }) => `${whole ? Id : shortId(Id)}\n`).join(""));
      return 0;
    }
    const shown = [
      "ID",
      "Image",
      "Command",
      "RunningFor",
      "Status",
      "Ports",
      "Names",
      ...(size ? ["Size"] : []),
    ];
    await printList(rows, {
      columns: columns(whole),
      shown,
      methods: { Label: ({ Labels }, key) => Labels[String(key)] ?? "" },
      format,
    });
    return 0;
  },
};

function columns(whole: boolean): Column<ContainerSummary>[] {
  return [
    { name: "ID", header: "CONTAINER ID", text: ({ Id }) => (whole ? Id : shortId(Id)) },
    {
      name: "Image",
      header: "IMAGE",
      text: ({ Image }) => (whole || !/^sha256:/.test(Image) ? Image : shortId(Image)),
    },
    {
      name: "Command",
      header: "COMMAND",
      text: ({ Command: command }) => JSON.stringify(whole ? command : ellipsis(command, 20)),
    },
    { name: "CreatedAt", header: "CREATED AT", text: ({ Created }) => goTime(Created) },
    {
      name: "RunningFor",
      header: "CREATED",
      text: ({ Created }) => `${humanDuration(Date.now() - Created * 1000)} ago`,
    },
    { name: "Ports", header: "PORTS", text: ({ Ports }) => displayPorts(Ports) },
    { name: "State", header: "STATE", text: ({ State }) => State },
    { name: "Status", header: "STATUS", text: ({ Status }) => Status },
    {
      name: "Size",
      header: "SIZE",
      text: ({ SizeRw = 0, SizeRootFs = 0 }) =>
        SizeRootFs > 0
          ? `${humanSize(SizeRw, 3)} (virtual ${humanSize(SizeRootFs, 3)})`
          : humanSize(SizeRw, 3),
    },
    {
      name: "Names",
      header: "NAMES",
      text: ({ Names }) => Names.map((name) => name.replace(/^\//, "")).join(","),
    },
    { name: "Labels", header: "LABELS", text: ({ Labels }) => labelText(Labels) },
    {
      name: "Mounts",
      header: "MOUNTS",
      text: ({ Mounts }) =>
        Mounts.map(({ Name, Source }) => (whole ? (Name ?? Source) : ellipsis(Name ?? Source, 15))).join(","),
    },
    {
      name: "LocalVolumes",
      header: "LOCAL VOLUMES",
      text: ({ Mounts }) => String(Mounts.filter(({ Driver }) => Driver === "local").length),
    },
    {
      name: "Networks",
      header: "NETWORKS",
      text: ({ NetworkSettings }) => Object.keys(NetworkSettings.Networks).join(","),
    },
  ];
}

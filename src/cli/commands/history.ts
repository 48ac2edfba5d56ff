import { humanDuration, humanSize } from "../../units/index.ts";
import type { ImageHistoryItem } from "../../wire/index.ts";
import { bool, type Command, FORMAT_FLAG, string } from "../command/command.ts";
import { type Column, printList } from "../output/list.ts";
import { print } from "../output/print.ts";
import { ellipsis, shortId } from "../output/words.ts";
import { platformQuery } from "../run/platform.ts";
import { segment } from "./each.ts";

export const history: Command = {
  name: "history",
  usage: "[OPTIONS] IMAGE",
  description: "Show the history of an image",
  aliases: ["image history", "history"],
  flags: [
    FORMAT_FLAG,
    bool("human", "Print sizes and dates for people", { short: "H", fallback: "true" }),
    bool("no-trunc", "Do not shorten output"),
    string("platform", "Of the image for this platform (os/arch[/variant])"),
    bool("quiet", "Print image IDs only", { short: "q" }),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [name = ""], client }) {
    const rows = await client.json<ImageHistoryItem[]>("GET", `/images/${segment(name)}/history`, {
      platform: platformQuery(flags.string("platform")),
    });
    const whole = flags.bool("no-trunc");
    const format = flags.string("format");
    if (flags.bool("quiet") && format === "") {
      await print(rows.map(({ Id }) => `${whole ? Id : shortId(Id)}\n`).join(""));
      return 0;
    }
    await printList(rows, {
      columns: columns(whole, flags.bool("human")),
      shown: ["ID", flags.bool("human") ? "CreatedSince" : "CreatedAt", "CreatedBy", "Size", "Comment"],
      format,
    });
    return 0;
  },
};

function columns(whole: boolean, human: boolean): Column<ImageHistoryItem>[] {
  const time = ({ Created }: ImageHistoryItem) =>
    new Date(Created * 1000).toISOString().replace(".000Z", "Z");
  return [
    { name: "ID", header: "IMAGE", text: ({ Id }) => (whole ? Id : shortId(Id)) },
    {
      name: "CreatedSince",
      header: "CREATED",
      text: (row) => (human ? `${humanDuration(Date.now() - row.Created * 1000)} ago` : time(row)),
    },
    { name: "CreatedAt", header: "CREATED AT", text: time },
    {
      name: "CreatedBy",
      header: "CREATED BY",
      text: ({ CreatedBy }) => {
        const line = CreatedBy.replaceAll("\t", " ");
        return whole ? line : ellipsis(line, 45);
      },
    },
    { name: "Size", header: "SIZE", text: ({ Size }) => (human ? humanSize(Size, 3) : String(Size)) },
    { name: "Comment", header: "COMMENT", text: ({ Comment }) => Comment },
  ];
}

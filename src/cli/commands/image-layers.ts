import { humanSize } from "../../units/index.ts";
import type { ImageDiff, ImageLayersReply } from "../../wire/index.ts";
import { bool, type Command, FORMAT_FLAG } from "../command/command.ts";
import { printList } from "../output/list.ts";
import { print } from "../output/print.ts";
import { ellipsis, shortId } from "../output/words.ts";
import { segment } from "./each.ts";

export const imageLayers: Command = {
  name: "image layers",
  usage: "[OPTIONS] IMAGE",
  description:
    "Show what each layer of an image adds, changes and hides, its largest files, and wasted bytes",
  flags: [FORMAT_FLAG, bool("no-trunc", "Do not shorten output")],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [name = ""], client }) {
    const reply = await client.json<ImageLayersReply>("GET", `/images/${segment(name)}/layers`);
    if (flags.string("format") === "json") {
      await print(`${JSON.stringify(reply)}\n`);
      return 0;
    }
    const whole = flags.bool("no-trunc");
    const lines = reply.Layers.flatMap((layer) => {
      const by = whole ? layer.CreatedBy : ellipsis(layer.CreatedBy.replaceAll(/\s+/g, " "), 60);
      const { Added, Changed, Hidden, WastedBytes } = layer;
      return [
        `${whole ? layer.DiffId : shortId(layer.DiffId)}  ${humanSize(layer.Size)} (${humanSize(layer.CompressedSize)} stored)  ${by}`,
        `  adds ${Added.Files} (${humanSize(Added.Bytes)}), changes ${Changed.Files} (${humanSize(Changed.Bytes)}), hides ${Hidden}, wastes ${humanSize(WastedBytes)} of the layers below`,
        ...layer.Largest.slice(0, whole ? undefined : 3).map(
          ({ Path, Size }) => `  ${humanSize(Size).padStart(9)}  ${Path}`,
        ),
      ];
    });
    const share = reply.Size === 0 ? 0 : (reply.WastedBytes / reply.Size) * 100;
    lines.push(
      `${reply.Layers.length} layers, ${humanSize(reply.Size)}, ${humanSize(reply.WastedBytes)} wasted (${share.toFixed(1)}%)`,
    );
    await print(`${lines.join("\n")}\n`);
    return 0;
  },
};

export const imageDiff: Command = {
  name: "image diff",
  usage: "[OPTIONS] IMAGE IMAGE",
  description: "Show the files in which two images differ: A added, C changed, D removed",
  flags: [FORMAT_FLAG],
  minArgs: 2,
  maxArgs: 2,
  async run({ flags, args: [before = "", after = ""], client }) {
    const differences = await client.json<ImageDiff[]>("GET", `/images/${segment(before)}/diff`, {
      to: after,
    });
    const letters = { added: "A", changed: "C", removed: "D" } as const;
    const format = flags.string("format");
    if (format === "") {
      await print(
        differences
          .map(({ Kind, Path, Before, After }) => `${letters[Kind]} ${Path}${delta(After - Before)}\n`)
          .join(""),
      );
      return 0;
    }
    await printList(differences, {
      columns: [
        { name: "Kind", header: "KIND", text: ({ Kind }) => Kind },
        { name: "Path", header: "PATH", text: ({ Path }) => Path },
        { name: "Before", header: "BEFORE", text: ({ Before }) => String(Before) },
        { name: "After", header: "AFTER", text: ({ After }) => String(After) },
      ],
      shown: ["Kind", "Path", "Before", "After"],
      format,
    });
    return 0;
  },
};

const delta = (bytes: number): string =>
  bytes === 0 ? "" : ` (${bytes > 0 ? "+" : "-"}${humanSize(Math.abs(bytes))})`;

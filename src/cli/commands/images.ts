import { humanDuration, humanSize } from "../../units/index.ts";
import type { ImageSummary } from "../../wire/index.ts";
import { bool, type Command, FORMAT_FLAG, list } from "../command/command.ts";
import { type Column, printList } from "../output/list.ts";
import { print } from "../output/print.ts";
import { goTime, shortId } from "../output/words.ts";
import { filtersOf } from "./filters.ts";
import { printTree } from "./image-tree.ts";

/** One line of the list: an image has as many as it has names. */
interface Row {
  readonly image: ImageSummary;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

const NONE = "<none>";

export const images: Command = {
  name: "images",
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  description: "List images",
  aliases: ["image ls", "image list", "images"],
  flags: [
    bool("all", "Show all images, also intermediate ones", { short: "a" }),
    bool("digests", "Show digests"),
    list("filter", "Show only what fits (key=value)", { short: "f", type: "filter" }),
    FORMAT_FLAG,
    bool("no-trunc", "Do not shorten output"),
    bool("quiet", "Print IDs only", { short: "q" }),
    bool("tree", "Show images below the layers that they share"),
  ],
  minArgs: 0,
  maxArgs: 1,
  async run({ flags, args: [reference], client }) {
    const filters = [...flags.list("filter"), ...(reference === undefined ? [] : [`reference=${reference}`])];
    const found = await client.json<ImageSummary[]>("GET", "/images/json", {
      all: flags.bool("all") ? 1 : undefined,
      filters: filtersOf(filters),
      "shared-size": /\.(SharedSize|UniqueSize|Containers)\b/.test(flags.string("format")) ? 1 : undefined,
    });
    if (flags.bool("tree")) {
      await printTree(client, found);
      return 0;
    }
    const whole = flags.bool("no-trunc");
    const format = flags.string("format");
    const digests = flags.bool("digests");
    const rows = found.flatMap((image) => rowsOf(image, digests || /\.Digest\b/.test(format)));
    if (flags.bool("quiet") && format === "") {
      await print(rows.map(({ image }) => `${whole ? image.Id : shortId(image.Id)}\n`).join(""));
      return 0;
    }
    const shown = ["Repository", "Tag", ...(digests ? ["Digest"] : []), "ID", "CreatedSince", "Size"];
    await printList(rows, { columns: columns(whole), shown, format });
    return 0;
  },
};

function rowsOf(image: ImageSummary, withDigests: boolean): Row[] {
  const names = (image.RepoTags ?? []).filter((name) => name !== "<none>:<none>");
  const digests = (image.RepoDigests ?? []).filter((name) => !name.startsWith("<none>"));
  const digestOf = (repository: string) =>
    digests.find((name) => name.startsWith(`${repository}@`))?.slice(repository.length + 1) ?? NONE;
  const rows = names.map((name) => {
    const colon = name.lastIndexOf(":");
    const repository = name.slice(0, colon);
    return {
      image,
      repository,
      tag: name.slice(colon + 1),
      digest: withDigests ? digestOf(repository) : NONE,
    };
  });
  if (rows.length > 0) return rows;
  const [first] = digests;
  const [repository = NONE, digest = NONE] = first?.split("@") ?? [];
  return [{ image, repository, tag: NONE, digest }];
}

function columns(whole: boolean): Column<Row>[] {
  return [
    { name: "ID", header: "IMAGE ID", text: ({ image }) => (whole ? image.Id : shortId(image.Id)) },
    { name: "Repository", header: "REPOSITORY", text: ({ repository }) => repository },
    { name: "Tag", header: "TAG", text: ({ tag }) => tag },
    { name: "Digest", header: "DIGEST", text: ({ digest }) => digest },
    {
      name: "CreatedSince",
      header: "CREATED",
      text: ({ image }) => `${humanDuration(Date.now() - image.Created * 1000)} ago`,
    },
    { name: "CreatedAt", header: "CREATED AT", text: ({ image }) => goTime(image.Created) },
    { name: "Size", header: "SIZE", text: ({ image }) => humanSize(image.Size, 3) },
    { name: "VirtualSize", header: "SIZE", text: ({ image }) => humanSize(image.Size) },
    { name: "SharedSize", header: "SHARED SIZE", text: ({ image }) => known(image.SharedSize) },
    {
      name: "UniqueSize",
      header: "UNIQUE SIZE",
      text: ({ image }) => known(image.SharedSize < 0 ? -1 : image.Size - image.SharedSize),
    },
    {
      name: "Containers",
      header: "CONTAINERS",
      text: ({ image }) => (image.Containers < 0 ? "N/A" : String(image.Containers)),
    },
  ];
}

const known = (bytes: number): string => (bytes < 0 ? "N/A" : humanSize(bytes));

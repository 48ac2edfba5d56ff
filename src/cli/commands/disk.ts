import type { EngineClient } from "../../client/index.ts";
import { humanSize } from "../../units/index.ts";
import type { DiskUsage, FsckReply } from "../../wire/index.ts";
import { bool, type Command, FORMAT_FLAG } from "../command/command.ts";
import { printList } from "../output/list.ts";
import { print } from "../output/print.ts";
import { formatTable } from "../output/table.ts";
import { shortId } from "../output/words.ts";

interface Row {
  readonly type: string;
  readonly total: number;
  readonly active: number;
  readonly size: number;
  readonly reclaimable: number;
}

export const df: Command = {
  name: "system df",
  usage: "[OPTIONS]",
  description: "Show disk usage; with -v also where each byte of the data root is",
  flags: [
    FORMAT_FLAG,
    bool("verbose", "Show each object, and the blocks that each part takes on the disk", { short: "v" }),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const verbose = flags.bool("verbose");
    const usage = await usageOf(client, verbose);
    if (verbose) {
      await print(describe(usage));
      return 0;
    }
    await printList(rowsOf(usage), {
      columns: [
        { name: "Type", header: "TYPE", text: ({ type }) => type },
        { name: "TotalCount", header: "TOTAL", text: ({ total }) => String(total) },
        { name: "Active", header: "ACTIVE", text: ({ active }) => String(active) },
        { name: "Size", header: "SIZE", text: ({ size }) => humanSize(size) },
        { name: "Reclaimable", header: "RECLAIMABLE", text: reclaimable },
      ],
      shown: ["Type", "TotalCount", "Active", "Size", "Reclaimable"],
      format: flags.string("format"),
    });
    return 0;
  },
};

/** Daemons of Go say null for what there is none of. */
async function usageOf(client: EngineClient, storage: boolean): Promise<DiskUsage> {
  const reply = await client.json<Partial<{ [K in keyof DiskUsage]: DiskUsage[K] | null }>>(
    "GET",
    "/system/df",
    { storage: storage ? 1 : undefined },
  );
  return {
    LayersSize: reply.LayersSize ?? 0,
    Images: reply.Images ?? [],
    Containers: reply.Containers ?? [],
    Volumes: reply.Volumes ?? [],
    BuildCache: reply.BuildCache ?? [],
    BuilderSize: reply.BuilderSize ?? 0,
    ...(reply.Storage == null ? {} : { Storage: reply.Storage }),
  };
}

const reclaimable = ({ size, reclaimable: bytes }: Row): string =>
  size > 0 ? `${humanSize(bytes)} (${Math.floor((bytes * 100) / size)}%)` : humanSize(bytes);

function rowsOf(usage: DiskUsage): Row[] {
  const usedImages = usage.Images.filter(({ Containers }) => Containers > 0);
  const used = usedImages.reduce((sum, { Size, SharedSize }) => sum + Size - SharedSize, 0);
  const running = usage.Containers.filter(({ State }) => State === "running" || State === "paused");
  const sizeOf = (containers: DiskUsage["Containers"]) =>
    containers.reduce((sum, { SizeRw = 0 }) => sum + SizeRw, 0);
  const volumesOf = (volumes: DiskUsage["Volumes"]) =>
    volumes.reduce((sum, { UsageData }) => sum + UsageData.Size, 0);
  const mounted = usage.Volumes.filter(({ UsageData }) => UsageData.RefCount > 0);
  return [
    {
      type: "Images",
      total: usage.Images.length,
      active: usedImages.length,
      size: usage.LayersSize,
      reclaimable: Math.max(0, usage.LayersSize - used),
    },
    {
      type: "Containers",
      total: usage.Containers.length,
      active: running.length,
      size: sizeOf(usage.Containers),
      reclaimable: sizeOf(usage.Containers) - sizeOf(running),
    },
    {
      type: "Local Volumes",
      total: usage.Volumes.length,
      active: mounted.length,
      size: volumesOf(usage.Volumes),
      reclaimable: volumesOf(usage.Volumes) - volumesOf(mounted),
    },
    {
      type: "Build Cache",
      total: usage.BuildCache.length,
      active: usage.BuildCache.filter(({ InUse }) => InUse).length,
      size: usage.BuilderSize,
      reclaimable: usage.BuildCache.reduce(
        (sum, { InUse, Shared, Size }) => sum + (InUse || Shared ? 0 : Size),
        0,
      ),
    },
  ];
}

function describe(usage: DiskUsage): string {
  const images = usage.Images.flatMap((image) => {
    const names = image.RepoTags.length === 0 ? ["<none>:<none>"] : image.RepoTags;
    return names.map((name) => [
      name,
      shortId(image.Id),
      humanSize(image.Size),
      humanSize(Math.max(0, image.SharedSize)),
      humanSize(image.Size - Math.max(0, image.SharedSize)),
      String(image.Containers),
    ]);
  });
  const containers = usage.Containers.map(({ Id, Image, Names, State, SizeRw = 0 }) => [
    shortId(Id),
    Image,
    State,
    humanSize(SizeRw),
    Names[0]?.replace(/^\//, "") ?? "",
  ]);
  const volumes = usage.Volumes.map(({ Name, UsageData }) => [
    Name,
    String(UsageData.RefCount),
    humanSize(UsageData.Size),
  ]);
  const storage = usage.Storage ?? [];
  const sum = storage.reduce((bytes, part) => bytes + part.Bytes, 0);
  return [
    "Images space usage:\n",
    formatTable([["NAME", "IMAGE ID", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"], ...images]),
    "Containers space usage:\n",
    formatTable([["CONTAINER ID", "IMAGE", "STATUS", "SIZE", "NAMES"], ...containers]),
    "Local Volumes space usage:\n",
    formatTable([["VOLUME NAME", "LINKS", "SIZE"], ...volumes]),
    "On the disk (as du counts it):\n",
    formatTable([
      ["WHAT", "BYTES", "SIZE", "PATH"],
      ...storage.map(({ Name, Path, Bytes }) => [Name, String(Bytes), humanSize(Bytes), Path]),
      ["Total", String(sum), humanSize(sum), ""],
    ]),
  ].join("\n");
}

export const fsck: Command = {
  name: "system fsck",
  usage: "[OPTIONS]",
  description:
    "Check every blob, layer and row against each other.\nEnds with 1 when something is wrong that was not repaired.",
  flags: [bool("repair", "Mend what can be mended, remove what nobody needs")],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const repair = flags.bool("repair");
    const { Checked, Problems } = await client.json<FsckReply>("POST", "/system/fsck", {
      repair: repair ? 1 : undefined,
    });
    const lines = Problems.map(
      ({ Kind, Subject, Detail, Repaired }) =>
        `${Kind} ${Subject}: ${Detail}${Repaired ? " (repaired)" : ""}`,
    );
    const left = Problems.filter(({ Repaired }) => !Repaired).length;
    const found =
      Problems.length === 0
        ? "nothing is wrong"
        : `${Problems.length} problems, ${Problems.length - left} repaired`;
    lines.push(
      `Checked ${Checked.Blobs} blobs, ${Checked.Layers} layers, ${Checked.Images} images: ${found}`,
    );
    await print(`${lines.join("\n")}\n`);
    return left === 0 ? 0 : 1;
  },
};

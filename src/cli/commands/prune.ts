import type { EngineClient } from "../../client/index.ts";
import { humanSize } from "../../units/index.ts";
import type { ImageDeleteItem } from "../../wire/index.ts";
import { bool, type Command, list } from "../command/command.ts";
import { confirm } from "../output/confirm.ts";
import { print } from "../output/print.ts";
import { filtersOf } from "./filters.ts";

const FILTER = list("filter", "Remove only what fits (until=TIME, label=KEY)", { type: "filter" });
const FORCE = bool("force", "Do not ask", { short: "f" });

interface Pruned {
  readonly text: string;
  readonly bytes: number;
}

async function pruneImagesBy(client: EngineClient, filters: readonly string[]): Promise<Pruned> {
  const reply = await client.json<{ ImagesDeleted: ImageDeleteItem[] | null; SpaceReclaimed: number }>(
    "POST",
    "/images/prune",
    { filters: filtersOf(filters) },
  );
  const lines = (reply.ImagesDeleted ?? []).map((item) =>
    "Deleted" in item ? `deleted: ${item.Deleted}` : `untagged: ${item.Untagged}`,
  );
  const text = lines.length === 0 ? "" : `Deleted Images:\n${lines.join("\n")}\n\n`;
  return { text, bytes: reply.SpaceReclaimed };
}

async function pruneContainersBy(client: EngineClient, filters: readonly string[]): Promise<Pruned> {
  const reply = await client.json<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }>(
    "POST",
    "/containers/prune",
    { filters: filtersOf(filters) },
  );
  const ids = reply.ContainersDeleted ?? [];
  const text = ids.length === 0 ? "" : `Deleted Containers:\n${ids.join("\n")}\n\n`;
  return { text, bytes: reply.SpaceReclaimed };
}

const total = (bytes: number) => `Total reclaimed space: ${humanSize(bytes)}\n`;

export const pruneImages: Command = {
  name: "image prune",
  usage: "[OPTIONS]",
  description: "Remove unused images",
  flags: [
    bool("all", "Remove all unused images, not just those without a name", { short: "a" }),
    FILTER,
    FORCE,
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const all = flags.bool("all");
    const warning = all
      ? "WARNING! This will remove all images without at least one container associated to them."
      : "WARNING! This will remove all dangling images.";
    if (!flags.bool("force") && !(await confirm(warning))) return 0;
    const { text, bytes } = await pruneImagesBy(client, [...flags.list("filter"), `dangling=${!all}`]);
    await print(text + total(bytes));
    return 0;
  },
};

export const pruneContainers: Command = {
  name: "container prune",
  usage: "[OPTIONS]",
  description: "Remove all stopped containers",
  flags: [FILTER, FORCE],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const warning = "WARNING! This will remove all stopped containers.";
    if (!flags.bool("force") && !(await confirm(warning))) return 0;
    const { text, bytes } = await pruneContainersBy(client, flags.list("filter"));
    await print(text + total(bytes));
    return 0;
  },
};

export const pruneSystem: Command = {
  name: "system prune",
  usage: "[OPTIONS]",
  description: "Remove unused data",
  flags: [
    bool("all", "Remove all unused images, not just those without a name", { short: "a" }),
    FILTER,
    FORCE,
    bool("volumes", "Remove anonymous volumes too"),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const all = flags.bool("all");
    const volumes = flags.bool("volumes");
    const filters = flags.list("filter");
    const warning = [
      "WARNING! This will remove:",
      "  - all stopped containers",
      "  - all networks not used by at least one container",
      ...(volumes ? ["  - all anonymous volumes not used by at least one container"] : []),
      all ? "  - all images without at least one container associated to them" : "  - all dangling images",
      "  - what downloads that were cut off have left",
      all ? "  - all build cache" : "  - unused build cache",
      "",
    ].join("\n");
    if (!flags.bool("force") && !(await confirm(warning))) return 0;
    const parts = [await pruneContainersBy(client, filters)];
    const { NetworksDeleted } = await client.json<{ NetworksDeleted: string[] | null }>(
      "POST",
      "/networks/prune",
      {
        filters: filtersOf(filters),
      },
    );
    const networks = NetworksDeleted ?? [];
    if (networks.length > 0) parts.push({ text: `Deleted Networks:\n${networks.join("\n")}\n\n`, bytes: 0 });
    if (volumes) {
      // An age says nothing about a volume, as with Docker.
      const labels = filters.filter((filter) => !filter.startsWith("until="));
      const reply = await client.json<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }>(
        "POST",
        "/volumes/prune",
        { filters: filtersOf(labels) },
      );
      const names = reply.VolumesDeleted ?? [];
      const text = names.length === 0 ? "" : `Deleted Volumes:\n${names.join("\n")}\n\n`;
      parts.push({ text, bytes: reply.SpaceReclaimed });
    }
    parts.push(await pruneImagesBy(client, [...filters, `dangling=${!all}`]));
    // The cache has no labels: with a filter by them nothing of it is meant.
    if (filters.every((filter) => filter.startsWith("until="))) {
      const query = { all: all ? 1 : undefined, filters: filtersOf(filters) };
      const reply = await client.json<{ SpaceReclaimed: number }>("POST", "/build/prune", query);
      parts.push({ text: "", bytes: reply.SpaceReclaimed });
    }
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    await print(parts.map(({ text }) => text).join("") + total(bytes));
    return 0;
  },
};

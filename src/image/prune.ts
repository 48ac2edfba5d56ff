import { invalid } from "../errors/index.ts";
import type { Filters, ImageDeleteItem } from "../wire/index.ts";
import type { ImageContext } from "./context.ts";
import { collectGarbage } from "./garbage.ts";
import { listImages } from "./list.ts";
import { removeImage } from "./remove.ts";

/**
 * `image prune`: images without a name, with the filter dangling=false all that no container uses; what cut-off pulls
 * left; and whatever else nothing speaks for. Resolves with what went and the bytes of blobs and layers freed.
 */
export async function pruneImages(
  context: ImageContext,
  filters: Filters,
): Promise<{ items: ImageDeleteItem[]; bytes: number }> {
  const onlyDangling = danglingOf(filters);
  const others = new Map([...filters].filter(([key]) => key !== "dangling"));
  const chosen = listImages(context, { filters: others, sharedSize: false }).filter(
    ({ Id, RepoTags, RepoDigests }) =>
      context.usedBy(Id).length === 0 &&
      (!onlyDangling || (RepoTags.length === 0 && RepoDigests.length === 0)),
  );
  const before = await storedBytes(context);
  const items: ImageDeleteItem[] = [];
  for (const { Id } of chosen) {
    // A container may have been made of it meanwhile; then it stays.
    if (context.usedBy(Id).length > 0) continue;
    items.push(...(await removeImage(context, Id, { force: true })));
  }
  context.store.transaction(() => context.table.unwantAll());
  await context.content.dropPartials();
  await collectGarbage(context);
  return { items, bytes: Math.max(0, before - (await storedBytes(context))) };
}

function danglingOf(filters: Filters): boolean {
  const values = [...(filters.get("dangling") ?? ["true"])];
  if (values.every((value) => /^(1|true)$/i.test(value))) return true;
  if (values.every((value) => /^(0|false)$/i.test(value))) return false;
  throw invalid(`invalid filter 'dangling=[${values.join(" ")}]'`);
}

async function storedBytes({ content, snapshotter }: ImageContext): Promise<number> {
  const blobs = await content.list();
  const partials = await content.partials();
  const layers = snapshotter.listLayers().map(({ chainId }) => snapshotter.layerSize(chainId) ?? 0);
  return (
    [...blobs, ...partials].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) +
    layers.reduce((a, b) => a + b, 0)
  );
}

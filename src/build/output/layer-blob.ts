import { packLayer } from "../../archive/index.ts";
import type { Digest, Ingest } from "../../content/index.ts";
import { internal } from "../../errors/index.ts";
import type { ImageLayer, Lease } from "../../image/index.ts";
import { layerOf } from "../cache/find-result.ts";
import type { BuildContext } from "../dependencies.ts";

export interface BlobOptions {
  /** Blobs that were made and are not yet in the content store. */
  readonly ingests: ReadonlyMap<Digest, Ingest>;
  readonly epochSeconds: number | undefined;
  readonly lease: Lease;
}

/** Bring a layer's blob to the disk: as it was packed in this build, or packed again from a cached folder. */
export async function withBlob(
  context: BuildContext,
  layer: ImageLayer,
  { ingests, epochSeconds, lease }: BlobOptions,
  signal: AbortSignal,
): Promise<ImageLayer> {
  lease.add(layer.blobDigest);
  const present = await context.content.find(layer.blobDigest);
  if (present !== undefined) return { ...layer, blobBytes: present.sizeBytes };
  const made = ingests.get(layer.diffId);
  if (made !== undefined) return layerOf(layer, (await made.commit()).sizeBytes);
  const folder = context.snapshotter.findLayer(layer.chainId)?.folder;
  if (folder === undefined) throw internal(`layer ${layer.chainId} is gone`);
  lease.add(layer.diffId);
  await using ingest = await context.content.begin();
  const latest = epochSeconds === undefined ? {} : { latestSeconds: epochSeconds };
  const packed = await packLayer({ shim: context.shim, folder, tarPath: ingest.path, ...latest }, signal);
  if (packed.diffId !== layer.diffId)
    throw internal(`the cached layer ${layer.chainId} has changed on the disk: prune the build cache`);
  await ingest.sealWritten(packed.diffId, packed.tarBytes);
  return layerOf(layer, (await ingest.commit()).sizeBytes);
}

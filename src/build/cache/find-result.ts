import { MEDIA } from "../../archive/index.ts";
import { EngineError } from "../../errors/index.ts";
import type { ImageLayer, Lease, WantedLayer } from "../../image/index.ts";
import type { BuildContext } from "../dependencies.ts";
import type { BuildEvent } from "../events.ts";
import type { ForeignResults } from "./remote/sources.ts";
import type { CachedLayer } from "./table.ts";

/** The layer that a step was found to have made; undefined when it changed nothing. */
export interface Found {
  readonly layer: ImageLayer | undefined;
  readonly madeAtMs: number;
}

interface Finding {
  readonly context: BuildContext;
  readonly foreign: ForeignResults;
  readonly lease: Lease;
  readonly tell: (event: BuildEvent) => void;
}

/** What this engine has under a key, on these layers. */
export function findHere(
  { context, lease }: Finding,
  key: string,
  below: readonly ImageLayer[],
): Found | undefined {
  const { cache, snapshotter, images } = context;
  const found = cache.find(key);
  if (found === undefined || found.parentChainId !== below.at(-1)?.chainId) return undefined;
  const { layer, createdAtMs } = found;
  if (layer === undefined) return { layer: undefined, madeAtMs: createdAtMs };
  if (snapshotter.findLayer(layer.chainId) === undefined) return undefined;
  lease.add(layer.chainId);
  const blob = images.blobOf(layer.diffId);
  if (blob !== undefined) lease.add(blob.blobDigest);
  return { layer: { ...layerOf(layer, 0), ...blob }, madeAtMs: createdAtMs };
}

/** As an image has it: its blob is the uncompressed tar. */
export const layerOf = ({ diffId, chainId, sizeBytes }: CachedLayer, blobBytes: number): ImageLayer => ({
  diffId,
  chainId,
  sizeBytes,
  blobDigest: diffId,
  blobBytes,
  mediaType: MEDIA.layer,
});

/** Bring a result of another machine here, where it gets a row of its own. What cannot be had is told, and done again. */
export async function bringForeign(
  { context, foreign, lease, tell }: Finding,
  key: string,
  description: string,
  below: readonly ImageLayer[],
  signal: AbortSignal,
): Promise<Found | undefined> {
  try {
    const parent = below.at(-1)?.chainId;
    const found = foreign.find(key).find(({ layers }) => {
      const top = layers.at(-1);
      return top?.chainId === parent || top?.parentChainId === parent;
    });
    if (found === undefined) return undefined;
    const top = found.layers.at(-1);
    const layer =
      top === undefined || top.chainId === parent ? undefined : await bring(context, lease, top, signal);
    context.cache.put(key, parent, layer, description, found.createdAtMs, found.origin);
    return { layer, madeAtMs: found.createdAtMs };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof EngineError)) throw error;
    tell({ kind: "note", text: `[Warning] a cached result could not be used: ${error.message}` });
    return undefined;
  }
}

/** A layer that is here already needs no blob: it is packed again when one is wanted. */
async function bring(
  { images, snapshotter }: BuildContext,
  lease: Lease,
  { chainId, diffId, digest, descriptor, ...rest }: WantedLayer,
  signal: AbortSignal,
): Promise<ImageLayer> {
  lease.add(chainId);
  lease.add(digest);
  const known = snapshotter.layerSize(chainId);
  if (known !== undefined)
    return { ...layerOf({ diffId, chainId, sizeBytes: known }, 0), ...images.blobOf(diffId) };
  await images.bringLayers([{ chainId, diffId, digest, descriptor, ...rest }], signal);
  const sizeBytes = snapshotter.layerSize(chainId) ?? 0;
  const { mediaType, size: blobBytes } = descriptor;
  return { diffId, chainId, sizeBytes, blobDigest: digest, blobBytes, mediaType };
}

/** Begin to bring all layers of a result that are missing. A failure is met by who asks for one of them. */
export async function bringAhead(
  { context, foreign, lease }: Finding,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const layers = foreign.find(key)[0]?.layers ?? [];
    const missing = layers.filter(({ chainId }) => context.snapshotter.findLayer(chainId) === undefined);
    for (const { chainId, digest } of missing) {
      lease.add(chainId);
      lease.add(digest);
    }
    await context.images.bringLayers(missing, signal);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}

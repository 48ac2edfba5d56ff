import { MEDIA } from "../../archive/index.ts";
import { EngineError } from "../../errors/index.ts";
import type { ImageLayer, Lease } from "../../image/index.ts";
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
    const found = foreign.find(key);
    if (found === undefined) return undefined;
    const parent = below.at(-1)?.chainId;
    const top = found.layers.at(-1);
    const isUnchanged = top?.chainId === parent;
    if (!isUnchanged && top?.parentChainId !== parent) return undefined;
    let layer: ImageLayer | undefined;
    if (top !== undefined && !isUnchanged) {
      lease.add(top.chainId);
      lease.add(top.digest);
      await context.images.bringLayers([top], signal);
      const { diffId, chainId, digest: blobDigest, descriptor } = top;
      const sizeBytes = context.snapshotter.layerSize(chainId) ?? 0;
      const { mediaType, size: blobBytes } = descriptor;
      layer = { diffId, chainId, sizeBytes, blobDigest, blobBytes, mediaType };
    }
    context.cache.put(key, parent, layer, description, found.createdAtMs, found.origin);
    return { layer, madeAtMs: found.createdAtMs };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof EngineError)) throw error;
    tell({ kind: "note", text: `[Warning] a cached result could not be used: ${error.message}` });
    return undefined;
  }
}

/** Begin to bring all layers of a result that are missing. A failure is met by who asks for one of them. */
export async function bringAhead(
  { context, foreign, lease }: Finding,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const layers = foreign.find(key)?.layers ?? [];
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

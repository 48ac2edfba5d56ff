import { type Digest, parseDigest } from "../../content/index.ts";
import { EngineError, invalid, notFound } from "../../errors/index.ts";
import {
  formatPlatform,
  type ImageManifest,
  type Platform,
  platformRank,
  type Repository,
} from "../../registry/index.ts";
import type { ImageContext } from "../context.ts";
import { chainIdsOf, type ImageDocument, parseImageDocument } from "../image-config.ts";
import type { PreparedImage } from "../install.ts";
import type { Lease } from "../leases.ts";
import { layerId, layerMessage, type Report } from "../progress/index.ts";
import type { WantedLayer } from "./bring-layer.ts";
import { type RemoteImage, readConfig } from "./remote-image.ts";

/**
 * Bring in an image: config first, then all layers that are missing, side by side. Resolves when its layers and blobs
 * are here; its rows are still to be written. `lease` holds them until then.
 */
export async function fetchImage(
  context: ImageContext,
  image: RemoteImage,
  lease: Lease,
  report: Report,
  signal: AbortSignal,
): Promise<PreparedImage> {
  const { manifest, source } = image;
  const digests = [source.digest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)];
  for (const digest of digests) lease.add(digest);
  context.store.transaction(() => context.table.want(digests));
  try {
    const prepared = await bringIn(context, image, lease, report, signal);
    context.store.transaction(() => context.table.unwant(digests));
    return prepared;
  } catch (error) {
    // What was only cut off is gone on with at the next attempt; what is wrong, or has no room, is not.
    const isCutOff =
      error instanceof EngineError && (error.kind === "cancelled" || error.kind === "unavailable");
    if (!isCutOff) context.store.transaction(() => context.table.unwant(digests));
    throw error;
  }
}

async function bringIn(
  context: ImageContext,
  { manifest, source, repository, ...image }: RemoteImage,
  lease: Lease,
  report: Report,
  signal: AbortSignal,
): Promise<PreparedImage> {
  const config = await readConfig(context, repository, manifest.config, signal);
  const document = parseImageDocument(config);
  checkPlatform(image.name, image.platform, document);
  const layers = wantedLayers(repository, manifest, document);
  for (const { chainId } of layers) lease.add(chainId);
  await obtainAll(context, layers, report, signal);
  await Promise.all([context.content.put(config), context.content.put(source.bytes)]);
  return {
    id: parseDigest(manifest.config.digest),
    config: config.toString("utf8"),
    manifestDigest: parseDigest(source.digest),
    layers: layers.map((layer) => ({
      diffId: layer.diffId,
      chainId: layer.chainId,
      sizeBytes: context.snapshotter.layerSize(layer.chainId) ?? 0,
      blobDigest: layer.digest,
      blobBytes: layer.descriptor.size,
      mediaType: layer.descriptor.mediaType,
    })),
  };
}

/** All layers, those that are here already told as such; the first failure ends the others. */
export async function obtainAll(
  context: ImageContext,
  layers: readonly WantedLayer[],
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const missing: WantedLayer[] = [];
  for (const layer of layers) {
    const isHere =
      context.snapshotter.findLayer(layer.chainId) !== undefined &&
      (await context.content.find(layer.digest)) !== undefined;
    report(layerMessage(layerId(layer.digest), isHere ? "Already exists" : "Pulling fs layer"));
    if (!isHere) missing.push(layer);
  }
  const work = missing.map(async (layer) => {
    try {
      await context.fetches.obtain(context, layer, report, either);
      report(layerMessage(layerId(layer.digest), "Pull complete"));
    } catch (error) {
      stop.abort();
      throw error;
    }
  });
  const results = await Promise.allSettled(work);
  const failures = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
  if (failures.length === 0) return;
  // The others were ended because of the one that failed by itself.
  throw (
    failures.find(
      (reason) => !(reason instanceof Error && "kind" in reason && reason.kind === "cancelled"),
    ) ?? failures[0]
  );
}

/** Throws not-found in Docker's words when an image is for another machine than the one asked for. */
export function checkPlatform(name: string, platform: Platform | undefined, document: ImageDocument): void {
  const { os, architecture, variant } = document;
  if (os !== "linux") throw invalid(`image operating system "${os}" cannot be used on this platform`);
  if (platform === undefined || architecture === "") return;
  const actual: Platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (platformRank(actual, platform) !== undefined) return;
  throw notFound(
    `image with reference ${name} was found but its platform (${formatPlatform(actual)}) does not match the specified platform (${formatPlatform(platform)})`,
  );
}

function wantedLayers(
  repository: Repository,
  manifest: ImageManifest,
  { diffIds }: ImageDocument,
): WantedLayer[] {
  if (diffIds.length !== manifest.layers.length) {
    throw invalid(
      `layers from manifest don't match image configuration: ${manifest.layers.length} layers, but ${diffIds.length} diffIDs`,
    );
  }
  const chainIds = chainIdsOf(diffIds);
  return manifest.layers.map((descriptor, at) => ({
    descriptor,
    digest: parseDigest(descriptor.digest),
    diffId: atOf(diffIds, at),
    chainId: atOf(chainIds, at),
    parentChainId: chainIds[at - 1],
    open: (offset, signal) => repository.blob(descriptor, signal, offset),
  }));
}

function atOf(digests: readonly Digest[], at: number): Digest {
  const digest = digests[at];
  if (digest === undefined) throw invalid("invalid image config: too few diff_ids");
  return digest;
}

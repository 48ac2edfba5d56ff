import { createReadStream } from "node:fs";
import { MEDIA } from "../../../archive/index.ts";
import { digestOf } from "../../../content/index.ts";
import { EngineError, invalid, messageOf } from "../../../errors/index.ts";
import type { ImageLayer } from "../../../image/index.ts";
import { parseReference } from "../../../reference/index.ts";
import { openPushTarget } from "../../../registry/index.ts";
import type { BuildContext } from "../../dependencies.ts";
import { withBlob } from "../../output/layer-blob.ts";
import type { BuildPlan } from "../../plan/plan.ts";
import type { BuildRequest, CacheTarget } from "../../service.ts";
import type { Solver } from "../../solve.ts";
import { CACHE_CONFIG, type CacheEntry, type CacheLayer, formatCacheConfig } from "./config.ts";
import { type BuildResult, resultsOf } from "./results.ts";

interface Writing {
  readonly context: BuildContext;
  readonly request: BuildRequest;
  readonly plan: BuildPlan;
  readonly solver: Solver;
  /** Of the image that the build made. */
  readonly imageId: string;
  readonly tell: (text: string) => void;
}

/** Write the caches that a request asks for, after its image. Throws what a registry refuses, unless errors are ignored. */
export async function writeCacheTargets(writing: Writing, signal: AbortSignal): Promise<void> {
  for (const target of writing.request.cacheTo) {
    if (target.kind === "inline") continue;
    try {
      await writeTarget(writing, target, signal);
    } catch (error) {
      const isIgnored = target.kind === "registry" && target.ignoreError && error instanceof EngineError;
      signal.throwIfAborted();
      if (!isIgnored) throw error;
      writing.tell(`[Warning] the cache was not written to ${target.ref}: ${messageOf(error)}`);
    }
  }
}

async function writeTarget(
  { context, request, plan, solver, imageId, tell }: Writing,
  target: Exclude<CacheTarget, { kind: "inline" }>,
  signal: AbortSignal,
): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const lease = undo.use(context.images.lease());
  const results = await resultsOf(solver, plan.target.top, target.mode);
  const ofImage = await context.images.compressLayers(imageId, lease, signal);
  const compressed = new Map(ofImage.map((layer) => [layer.chainId, layer]));
  for (const layer of results.flatMap(({ layers }) => layers)) {
    if (compressed.has(layer.chainId)) continue;
    const how = { ingests: solver.ingests, epochSeconds: plan.epochSeconds, lease };
    const plain = await withBlob(context, layer, how, signal);
    const isPlain = plain.mediaType === MEDIA.layer;
    compressed.set(layer.chainId, isPlain ? await context.images.compressLayer(plain, lease, signal) : plain);
  }
  const { layers, records } = configOf(results, compressed);
  const config = formatCacheConfig({ layers, records });
  const blobs = [...new Map(layers.map((layer) => [layer.blob, layer])).values()];
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      config: { mediaType: CACHE_CONFIG, digest: digestOf(config), size: config.length },
      layers: blobs.map(({ mediaType, blob, sizeBytes, diffId }) => ({
        mediaType,
        digest: blob,
        size: sizeBytes,
        annotations: { "containerd.io/uncompressed": diffId },
      })),
    }),
  );
  for (const bytes of [config, manifest]) {
    lease.add(digestOf(bytes));
    await context.content.put(bytes);
  }
  const digest = digestOf(manifest);
  if (target.kind === "local") {
    const held = undo.move();
    context.cacheLayouts.put(request.session, target.name, {
      manifest: digest,
      [Symbol.dispose]: () => void held.disposeAsync(),
    });
    return;
  }
  const reference = parseReference(target.ref);
  const credentials = request.accounts(reference.registry);
  const { registry, path } = reference;
  const place = openPushTarget(context.registries, {
    registry,
    path,
    ...(credentials === undefined ? {} : { credentials }),
  });
  for (const name of [...blobs.map(({ blob }) => blob), digestOf(config)]) {
    const blob = await context.content.find(name);
    if (blob === undefined) throw invalid(`content ${name} was removed meanwhile`);
    const open = (offset: number) => createReadStream(blob.path, { start: offset, highWaterMark: 1 << 18 });
    const how = { mountFrom: [], onBytes: () => undefined };
    await place.pushBlob({ digest: name, sizeBytes: blob.sizeBytes, open }, how, signal);
  }
  await place.pushManifest(reference.tag ?? "latest", manifest, MEDIA.manifest, signal);
  tell(`cache written to ${target.ref}: ${digest}`);
}

/** Each layer once, each result under each of its keys. */
function configOf(
  results: readonly BuildResult[],
  compressed: ReadonlyMap<string, ImageLayer>,
): { layers: CacheLayer[]; records: CacheEntry[] } {
  const layers: CacheLayer[] = [];
  const positions = new Map<string, number>();
  const place = (chain: readonly ImageLayer[]): number => {
    let at = -1;
    for (const { chainId } of chain) {
      const layer = compressed.get(chainId);
      if (layer === undefined) continue;
      const known = positions.get(chainId) ?? layers.length;
      if (known === layers.length) {
        const { blobDigest: blob, blobBytes: sizeBytes, mediaType, diffId } = layer;
        layers.push({ blob, parent: at, mediaType, diffId, sizeBytes });
        positions.set(chainId, known);
      }
      at = known;
    }
    return at;
  };
  const records = results.flatMap(({ keys, layers: chain, madeAtMs }) => {
    const layer = place(chain);
    return keys.map((key): CacheEntry => ({ key, layer, createdAtMs: madeAtMs }));
  });
  return { layers, records };
}

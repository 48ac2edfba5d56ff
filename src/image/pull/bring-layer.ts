import { once } from "node:events";
import { PassThrough } from "node:stream";
import { type Unpacked, unpackedLimit, unpackLayer } from "../../archive/index.ts";
import type { ContentStore, Digest, ResumedIngest } from "../../content/index.ts";
import { EngineError, invalid } from "../../errors/index.ts";
import type { Limiter } from "../../platform/index.ts";
import type { Descriptor } from "../../registry/index.ts";
import type { LayerDraft, Snapshotter } from "../../snapshot/index.ts";
import { LayerMeter, layerId, type Report } from "../progress/index.ts";

/** Where layers go. */
export interface LayerPlace {
  /** The native helper. */
  readonly shim: string;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
}

/** A layer to be had: its blob, and the place that it takes in a chain. */
export interface WantedLayer {
  readonly descriptor: Descriptor;
  readonly digest: Digest;
  readonly diffId: Digest;
  readonly chainId: Digest;
  /** Undefined for the lowest. */
  readonly parentChainId: Digest | undefined;
  /** The blob's bytes from an offset on. */
  open(offset: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

interface OpenLayer {
  readonly draft: LayerDraft;
  readonly unpacked: Unpacked | "needs-parents";
}

/**
 * Bring in one layer: its blob is downloaded, verified and kept, and unpacked from the same bytes as they come. It is
 * committed once the layer below is (`below`). A place among the `downloads` is held until the bytes are in. After a
 * failure nothing is left but the part of the blob that was had, for the next attempt to go on with.
 */
export async function bringLayer(
  context: LayerPlace,
  layer: WantedLayer,
  { below, downloads, report }: { below: Promise<void>; downloads: Limiter; report: Report },
  signal: AbortSignal,
): Promise<void> {
  const { snapshotter, content } = context;
  const meter = new LayerMeter(layerId(layer.digest), report);
  await using ingest = await content.resume(layer.digest);
  let open: OpenLayer | undefined;
  try {
    let hasPlace = false;
    const obtaining = downloads(() => {
      hasPlace = true;
      return obtain(context, layer, ingest, meter, signal);
    });
    if (!hasPlace) meter.say("Waiting");
    open = await obtaining;
    await below;
    signal.throwIfAborted();
    if (open === undefined) return;
    if (open.unpacked === "needs-parents") {
      await snapshotter.discard(open.draft);
      open = await unpackKept(context, layer, signal);
    }
    const { draft, unpacked } = open;
    if (unpacked === "needs-parents" || unpacked.diffId !== layer.diffId) {
      const actual = unpacked === "needs-parents" ? "no parents for its files" : unpacked.diffId;
      throw invalid(
        `layers from manifest don't match image configuration: ${layer.digest} has ${actual}, want ${layer.diffId}`,
      );
    }
    await snapshotter.commitLayer(draft, layer.chainId, layer.parentChainId, unpacked.fileBytes);
    open = undefined;
  } finally {
    if (open !== undefined) await snapshotter.discard(open.draft);
  }
}

/** The blob's bytes into the store and, unless the layer is there, into files. */
async function obtain(
  context: LayerPlace,
  layer: WantedLayer,
  ingest: ResumedIngest,
  meter: LayerMeter,
  signal: AbortSignal,
): Promise<OpenLayer | undefined> {
  const { snapshotter, content } = context;
  const isUnpacked = () => snapshotter.findLayer(layer.chainId) !== undefined;
  if ((await content.find(layer.digest)) !== undefined) {
    ingest.forget();
    if (isUnpacked()) return undefined;
    return await unpackKept(context, layer, signal);
  }
  if (isUnpacked()) {
    await download(layer, ingest, meter, undefined, signal);
    await ingest.commit();
    return undefined;
  }
  const { folder, lower, draft } = await draftFor(context, layer);
  const stop = new AbortController();
  const feed = new Feed();
  const unpacking = unpackLayer(
    {
      shim: context.shim,
      layer: { stream: feed.stream },
      folder,
      lower,
      limitBytes: unpackedLimit(layer.descriptor.size),
    },
    AbortSignal.any([signal, stop.signal]),
  );
  feed.watch(unpacking, stop);
  try {
    await download(layer, ingest, meter, feed, signal);
    const [unpacked] = await Promise.all([unpacking, ingest.commit()]);
    meter.count("Extracting", layer.descriptor.size, layer.descriptor.size);
    return { draft, unpacked };
  } catch (error) {
    stop.abort();
    feed.stream.destroy();
    const failure = await unpacking.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    await snapshotter.discard(draft);
    // A full disk is met by the helper first; it is the cause, the pipe that broke is not.
    throw feed.failure === failure && failure !== undefined ? failure : error;
  }
}

async function download(
  layer: WantedLayer,
  ingest: ResumedIngest,
  meter: LayerMeter,
  feed: Feed | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { size } = layer.descriptor;
  let at = 0;
  const pass = async (chunk: Uint8Array) => {
    at += chunk.length;
    await feed?.push(chunk);
    meter.count("Downloading", at, size);
  };
  try {
    if (ingest.keptBytes > size) throw invalid(`the kept part of ${layer.digest} is too long`);
    for await (const chunk of ingest.replay()) await pass(chunk);
    for await (const chunk of layer.open(ingest.keptBytes, signal)) {
      await ingest.write(chunk);
      await pass(chunk);
    }
    feed?.end();
    meter.say("Verifying Checksum");
    await ingest.seal({ digest: layer.digest, sizeBytes: size });
  } catch (error) {
    // What a registry has wrong, or a disk has no room for, is not worth keeping.
    if (!(error instanceof EngineError && (error.kind === "unavailable" || error.kind === "cancelled")))
      ingest.forget();
    throw verified(error, layer.digest);
  }
  meter.say("Download complete");
}

function verified(error: unknown, digest: string): unknown {
  if (!(error instanceof EngineError) || !error.message.startsWith("content does not match its digest"))
    return error;
  return invalid(`filesystem layer verification failed for digest ${digest}: ${error.message}`, {
    cause: error,
  });
}

/** A draft on the layers below as far as they are there. */
async function draftFor(context: LayerPlace, layer: WantedLayer) {
  const { snapshotter } = context;
  const { parentChainId } = layer;
  const isKnown = parentChainId === undefined || snapshotter.findLayer(parentChainId) !== undefined;
  const draft = await snapshotter.prepareLayer(isKnown ? parentChainId : undefined);
  return { draft, folder: draft.folder, lower: isKnown ? draft.lower : ("unknown" as const) };
}

/** Unpack from the blob in the store. */
async function unpackKept(context: LayerPlace, layer: WantedLayer, signal: AbortSignal): Promise<OpenLayer> {
  const blob = await context.content.find(layer.digest);
  if (blob === undefined) throw invalid(`content ${layer.digest} was removed meanwhile`);
  const { draft, folder, lower } = await draftFor(context, layer);
  try {
    const limitBytes = unpackedLimit(blob.sizeBytes);
    const request = { shim: context.shim, layer: { path: blob.path }, folder, lower, limitBytes };
    return { draft, unpacked: await unpackLayer(request, signal) };
  } catch (error) {
    await context.snapshotter.discard(draft);
    throw error;
  }
}

/** Bytes on their way to the helper that unpacks them, which may end before it has read them all. */
class Feed {
  readonly stream = new PassThrough({ highWaterMark: 1 << 20 });
  /** What the helper failed with, unless the archive is at fault: then the digest has the last word. */
  failure: unknown;
  #ended = false;
  #settled: Promise<void> = Promise.resolve();

  watch(unpacking: Promise<unknown>, stop: AbortController): void {
    this.stream.on("error", () => undefined);
    this.#settled = unpacking.then(
      () => {
        this.#ended = true;
      },
      (error: unknown) => {
        this.#ended = true;
        const isOurs = stop.signal.aborted;
        if (!isOurs && !(error instanceof EngineError && error.kind === "invalid")) this.failure = error;
        stop.abort();
      },
    );
  }

  async push(chunk: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    if (this.#ended || this.stream.destroyed || this.stream.write(chunk)) return;
    const drained = new AbortController();
    const { signal } = drained;
    await Promise.race([
      once(this.stream, "drain", { signal }),
      once(this.stream, "close", { signal }),
      this.#settled,
    ])
      .catch(() => undefined)
      .finally(() => drained.abort());
  }

  end(): void {
    if (!this.stream.destroyed) this.stream.end();
  }
}

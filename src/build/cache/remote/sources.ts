import { asArray, asObject, asSize, asString, optionalString, parseJson } from "../../../archive/index.ts";
import { type Digest, digestOf, parseDigest } from "../../../content/index.ts";
import { EngineError, invalid, messageOf, notFound } from "../../../errors/index.ts";
import { chainIdsOf, type WantedLayer } from "../../../image/index.ts";
import { parseReference } from "../../../reference/index.ts";
import {
  type Descriptor,
  hostPlatform,
  openRepository,
  parseManifest,
  type Repository,
  selectPlatform,
} from "../../../registry/index.ts";
import type { BuildContext } from "../../dependencies.ts";
import type { BuildRequest, CacheSource } from "../../service.ts";
import {
  CACHE_CONFIG,
  type CacheEntry,
  chainOfLayer,
  parseCacheConfig,
  parseInlineRecords,
} from "./config.ts";
import type { CacheLayout } from "./layouts.ts";

/** A result that a cache of another machine has. */
export interface ForeignResult {
  /** All its layers, base first, as they can be brought here. */
  readonly layers: readonly WantedLayer[];
  readonly createdAtMs: number;
  /** The cache's name, for people. */
  readonly origin: string;
}

const MAX_DOCUMENT_BYTES = 8 << 20;

/** What the caches that a build names hold together, in the order in which they are named. */
export class ForeignResults {
  readonly #results = new Map<string, (() => ForeignResult)[]>();

  /** Several caches may have made different things by one recipe. */
  find(key: string): ForeignResult[] {
    return (this.#results.get(key) ?? []).map((result) => result());
  }

  has(key: string): boolean {
    return this.#results.has(key);
  }

  get isEmpty(): boolean {
    return this.#results.size === 0;
  }

  add(
    records: readonly CacheEntry[],
    layersOf: (record: CacheEntry) => readonly WantedLayer[],
    origin: string,
  ): void {
    for (const record of records) {
      const known = this.#results.get(record.key) ?? [];
      const { createdAtMs } = record;
      known.push(() => ({ layers: layersOf(record), createdAtMs, origin }));
      this.#results.set(record.key, known);
    }
  }
}

/**
 * Read the caches that a request names. One that is not there, or is none, is told of by `warn` and does without: a build
 * must not depend on its cache.
 */
export async function readCacheSources(
  context: BuildContext,
  request: BuildRequest,
  layouts: ReadonlyMap<string, CacheLayout>,
  warn: (text: string) => void,
  signal: AbortSignal,
): Promise<ForeignResults> {
  const results = new ForeignResults();
  for (const source of request.cacheFrom) {
    const name = source.kind === "registry" ? source.ref : source.name;
    try {
      await readSource(context, request, source, layouts, results, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof EngineError)) throw error;
      warn(`[Warning] cache ${name} is not used: ${messageOf(error)}`);
    }
  }
  return results;
}

async function readSource(
  context: BuildContext,
  request: BuildRequest,
  source: CacheSource,
  layouts: ReadonlyMap<string, CacheLayout>,
  results: ForeignResults,
  signal: AbortSignal,
): Promise<void> {
  if (source.kind === "local") {
    const layout = layouts.get(source.name);
    if (layout === undefined) throw notFound("the client did not send it");
    return readManifest(
      layoutOf(context),
      await context.content.read(layout.manifest, MAX_DOCUMENT_BYTES),
      source.name,
      results,
      signal,
    );
  }
  if (await readLocalImage(context, source.ref, results)) return;
  const reference = parseReference(source.ref);
  const credentials = request.accounts(reference.registry);
  const { registry, path } = reference;
  const repository = openRepository(context.registries, {
    registry,
    path,
    ...(credentials === undefined ? {} : { credentials }),
  });
  const top = await repository.manifest(reference.digest ?? reference.tag ?? "latest", signal);
  await readManifest(repository, top.bytes, source.ref, results, signal);
}

/** What a cache is read from: a registry's repository, or the content store. */
type Source = Pick<Repository, "manifest" | "blob">;

function layoutOf({ content }: BuildContext): Source {
  return {
    async manifest(digest) {
      const bytes = await content.read(parseDigest(digest), MAX_DOCUMENT_BYTES);
      return { bytes, mediaType: "", digest };
    },
    async *blob({ digest }) {
      yield* await content.open(parseDigest(digest));
    },
  };
}

/** An image that is here already: its records alone are needed. */
async function readLocalImage(context: BuildContext, ref: string, results: ForeignResults): Promise<boolean> {
  let id: string;
  try {
    id = context.images.inspect(ref).Id;
  } catch (error) {
    if (error instanceof EngineError && error.kind === "not-found") return false;
    throw error;
  }
  const layers = context.images.layersOf(id)?.layers ?? [];
  const config = await context.content.read(parseDigest(id), MAX_DOCUMENT_BYTES);
  const records = parseInlineRecords(config, layers.length);
  if (records.length === 0) return false;
  const wanted = layers.map(
    ({ diffId, chainId, blobDigest, blobBytes, mediaType }, at): WantedLayer => ({
      descriptor: { mediaType, digest: blobDigest, size: blobBytes },
      digest: blobDigest,
      diffId,
      chainId,
      parentChainId: layers[at - 1]?.chainId,
      async *open() {
        yield* await context.content.open(blobDigest);
      },
    }),
  );
  results.add(records, ({ layer }) => wanted.slice(0, layer + 1), ref);
  return true;
}

async function readManifest(
  source: Source,
  bytes: Uint8Array,
  origin: string,
  results: ForeignResults,
  signal: AbortSignal,
): Promise<void> {
  const what = "cache manifest";
  const document = asObject(parseJson(bytes, what), what);
  const isIndex = document.manifests !== undefined;
  const entries = asArray(isIndex ? document.manifests : document.layers, what).map(descriptorOf);
  const configs = isIndex ? entries : document.config === undefined ? [] : [descriptorOf(document.config)];
  const config = configs.find(({ mediaType }) => mediaType === CACHE_CONFIG);
  if (config === undefined) return readImage(source, bytes, origin, results, signal);
  const { layers, records } = parseCacheConfig(await readDocument(source, config, signal));
  const blobs = new Map(entries.map((entry) => [entry.digest, entry]));
  results.add(
    records,
    ({ layer }) => {
      const chain = chainOfLayer(layers, layer);
      return wantedChain(
        source,
        chain.map(({ blob, diffId }) => ({ descriptor: blobs.get(blob), diffId })),
      );
    },
    origin,
  );
}

/** An image, or the one of several that is for this machine, with its cache in its config. */
async function readImage(
  source: Source,
  bytes: Uint8Array,
  origin: string,
  results: ForeignResults,
  signal: AbortSignal,
): Promise<void> {
  const parsed = parseManifest(bytes, "");
  if (parsed.kind === "index") {
    const { digest } = selectPlatform(parsed, hostPlatform());
    const { bytes: own } = await source.manifest(digest, signal);
    if (parseManifest(own, "").kind === "index") throw invalid("an index within an index is no cache");
    return readImage(source, own, origin, results, signal);
  }
  const config = await readDocument(source, parsed.config, signal);
  const records = parseInlineRecords(config, parsed.layers.length);
  if (records.length === 0) throw notFound("it holds no cache (build it with --cache-to type=inline)");
  const { rootfs } = asObject(parseJson(config, "image config"), "image config");
  const { diff_ids: diffIds } = asObject(rootfs, "image config rootfs");
  const all = asArray(diffIds, "image config diff_ids").map((id) => parseDigest(asString(id, "diff_ids")));
  if (all.length !== parsed.layers.length) throw invalid("the image's manifest and config do not agree");
  results.add(
    records,
    ({ layer }) =>
      wantedChain(
        source,
        all.slice(0, layer + 1).map((diffId, at) => ({ descriptor: parsed.layers[at], diffId })),
      ),
    origin,
  );
}

async function readDocument(source: Source, descriptor: Descriptor, signal: AbortSignal): Promise<Buffer> {
  if (descriptor.size > MAX_DOCUMENT_BYTES) throw invalid(`its config has over ${MAX_DOCUMENT_BYTES} bytes`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.blob(descriptor, signal)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (digestOf(bytes) !== descriptor.digest)
    throw invalid(`verification failed for digest ${descriptor.digest}`);
  return bytes;
}

function descriptorOf(value: unknown): Descriptor {
  const { mediaType, digest, size } = asObject(value, "cache manifest");
  return {
    mediaType: optionalString(mediaType, "cache manifest") ?? "",
    digest: parseDigest(asString(digest, "cache manifest")),
    size: asSize(size, "cache manifest"),
  };
}

/** Throws invalid for a chain of which a part is not told. */
function wantedChain(
  source: Source,
  chain: readonly { readonly descriptor: Descriptor | undefined; readonly diffId: Digest | undefined }[],
): WantedLayer[] {
  const known = chain.map(({ descriptor, diffId }) => {
    if (descriptor === undefined || diffId === undefined)
      throw invalid("the cache names layers that it does not have");
    return { descriptor, diffId };
  });
  const chainIds = chainIdsOf(known.map(({ diffId }) => diffId));
  return known.map(
    ({ descriptor, diffId }, at): WantedLayer => ({
      descriptor,
      digest: parseDigest(descriptor.digest),
      diffId,
      chainId: chainIds[at] ?? diffId,
      parentChainId: chainIds[at - 1],
      open: (offset, signal) => source.blob(descriptor, signal, offset),
    }),
  );
}

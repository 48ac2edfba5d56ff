import { asArray, asObject, asSize, asString, optionalString, parseJson } from "../../../archive/index.ts";
import { type Digest, parseDigest } from "../../../content/index.ts";
import { invalid } from "../../../errors/index.ts";

/**
 * BuildKit's cache config, version 0: layers, each on its parent, and records that name the layers of a result. A
 * document of this type is the config of a cache manifest; the records alone stand in an image's config, where the
 * layers are the image's own (moby/buildkit, cache/remotecache/v1/types).
 */
export const CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0";
/** Where an image's config has the records, in base64. */
export const INLINE_KEY = "moby.buildkit.cache.v0";

export interface CacheConfig {
  readonly layers: readonly CacheLayer[];
  readonly records: readonly CacheEntry[];
}

export interface CacheLayer {
  readonly blob: Digest;
  /** Position of the layer below; -1 for none. */
  readonly parent: number;
  readonly mediaType: string;
  /** Of the unpacked layer; undefined when the document does not tell. */
  readonly diffId: Digest | undefined;
  readonly sizeBytes: number;
}

export interface CacheEntry {
  /** 64 hexadecimal digits: a key of this engine, or one that another builder knows how to read. */
  readonly key: string;
  /** Position of the result's top layer; -1 for an empty tree. */
  readonly layer: number;
  readonly createdAtMs: number;
}

const MAX_ENTRIES = 100_000;
const NONE = -1;

export function formatCacheConfig({ layers, records }: CacheConfig): Buffer {
  return Buffer.from(
    JSON.stringify({
      layers: layers.map(({ blob, parent, mediaType, diffId, sizeBytes }) => ({
        blob,
        parent,
        annotations: { mediaType, diffID: diffId, size: sizeBytes, createdAt: EPOCH },
      })),
      records: records.map(formatRecord),
    }),
  );
}

/** The records of an image whose layers are the config's own. */
export const formatInlineRecords = (records: readonly CacheEntry[]): string =>
  Buffer.from(JSON.stringify(records.map(formatRecord))).toString("base64");

const EPOCH = "1970-01-01T00:00:00Z";

const formatRecord = ({ key, layer, createdAtMs }: CacheEntry) => ({
  ...(layer === NONE ? {} : { layers: [{ layer, createdAt: new Date(createdAtMs).toISOString() }] }),
  digest: `sha256:${key}`,
});

/** Throws invalid for what is no such document, or has a layer that stands on none. */
export function parseCacheConfig(bytes: Uint8Array): CacheConfig {
  const what = "cache config";
  const object = asObject(parseJson(bytes, what), what);
  const layers = asArray(object.layers, what).map(parseLayer);
  for (const { parent } of layers)
    if (parent < NONE || parent >= layers.length) throw invalid(`invalid ${what}: no layer ${parent}`);
  return { layers, records: parseRecords(object.records, layers.length) };
}

/** The records of an image's config with `layerCount` layers; empty when it has none. Throws invalid. */
export function parseInlineRecords(config: Uint8Array, layerCount: number): readonly CacheEntry[] {
  const { [INLINE_KEY]: encoded } = asObject(parseJson(config, "image config"), "image config");
  const text = optionalString(encoded, "inline cache");
  if (text === undefined) return [];
  return parseRecords(parseJson(Buffer.from(text, "base64"), "inline cache"), layerCount);
}

function parseLayer(value: unknown): CacheLayer {
  const what = "cache config layer";
  const { blob, parent = 0, annotations } = asObject(value, what);
  if (typeof parent !== "number" || !Number.isSafeInteger(parent))
    throw invalid(`invalid ${what}: no parent`);
  const { mediaType, diffID, size = 0 } = asObject(annotations ?? {}, what);
  const diffId = optionalString(diffID, what);
  return {
    blob: parseDigest(asString(blob, what)),
    parent,
    mediaType: optionalString(mediaType, what) ?? "",
    diffId: diffId === undefined || diffId === "" ? undefined : parseDigest(diffId),
    sizeBytes: asSize(size, what),
  };
}

/** Records with several results, or with results that are not one chain, are another builder's and not asked for here. */
function parseRecords(value: unknown, layerCount: number): CacheEntry[] {
  const what = "cache record";
  const list = asArray(value, what);
  if (list.length > MAX_ENTRIES) throw invalid(`invalid cache config: over ${MAX_ENTRIES} records`);
  return list.flatMap((item): CacheEntry[] => {
    const { digest, layers, chains, inputs } = asObject(item, what);
    const [, key] = /^sha256:([0-9a-f]{64})$/.exec(optionalString(digest, what) ?? "") ?? [];
    if (key === undefined || chains !== undefined || inputs !== undefined) return [];
    const [result, ...more] = asArray(layers, what);
    if (more.length > 0) return [];
    if (result === undefined) return [{ key, layer: NONE, createdAtMs: 0 }];
    const { layer, createdAt } = asObject(result, what);
    if (typeof layer !== "number" || !Number.isSafeInteger(layer) || layer < 0 || layer >= layerCount)
      throw invalid(`invalid ${what}: no layer ${String(layer)}`);
    const createdAtMs = Date.parse(optionalString(createdAt, what) ?? "");
    return [{ key, layer, createdAtMs: Number.isNaN(createdAtMs) ? 0 : createdAtMs }];
  });
}

/** Positions of a layer and all below it, base first. Throws invalid for a circle. */
export function chainOfLayer(layers: readonly CacheLayer[], top: number): CacheLayer[] {
  const chain: CacheLayer[] = [];
  for (let at = top; at !== NONE; ) {
    const layer = layers[at];
    if (layer === undefined || chain.length > layers.length)
      throw invalid("invalid cache config: a circle of layers");
    chain.push(layer);
    at = layer.parent;
  }
  return chain.reverse();
}

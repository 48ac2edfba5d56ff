import { Readable } from "node:stream";
import {
  asArray,
  asObject,
  asSize,
  asString,
  MEDIA,
  parseJson,
  readTarEntries,
  type TarMember,
  writeTar,
} from "../../../archive/index.ts";
import { type ContentStore, type Digest, parseDigest } from "../../../content/index.ts";
import { invalid, notFound } from "../../../errors/index.ts";
import type { Lease } from "../../../image/index.ts";

/** A cache whose blobs are in the content store, held there until it is disposed. */
export interface CacheLayout extends Disposable {
  readonly manifest: Digest;
}

/** What nobody comes for is forgotten after so long. */
const UNCLAIMED_MS = 60_000;
const MAX_INDEX_BYTES = 1 << 20;
const MAX_MANIFEST_BYTES = 4 << 20;

/** Caches on their way between a build and the folder of its client, by session and name. */
export class CacheLayouts {
  readonly #kept = new Map<string, { layout: CacheLayout; timer: NodeJS.Timeout }>();

  put(session: string, name: string, layout: CacheLayout): void {
    const key = keyOf(session, name);
    this.take(session, name)?.[Symbol.dispose]();
    const timer = setTimeout(() => {
      this.#kept.delete(key);
      layout[Symbol.dispose]();
    }, UNCLAIMED_MS);
    timer.unref();
    this.#kept.set(key, { layout, timer });
  }

  /** The caller disposes it. */
  take(session: string, name: string): CacheLayout | undefined {
    const found = this.#kept.get(keyOf(session, name));
    if (found === undefined) return undefined;
    clearTimeout(found.timer);
    this.#kept.delete(keyOf(session, name));
    return found.layout;
  }
}

const keyOf = (session: string, name: string): string => JSON.stringify([session, name]);

/** Take in an OCI layout with one manifest. The blobs are verified and held by `lease`. Throws invalid. */
export async function readCacheLayout(
  content: ContentStore,
  tar: Readable,
  lease: Lease,
): Promise<CacheLayout> {
  let index: Buffer | undefined;
  for await (const entry of readTarEntries(tar)) {
    if (entry.type !== "file") continue;
    const [, hex] = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(entry.path) ?? [];
    if (hex !== undefined) {
      const digest = parseDigest(`sha256:${hex}`);
      lease.add(digest);
      if ((await content.find(digest)) !== undefined) continue;
      await using ingest = await content.begin();
      for await (const chunk of entry.chunks()) await ingest.write(chunk);
      await ingest.seal({ digest });
      await ingest.commit();
    } else if (entry.path === "index.json") {
      if (entry.sizeBytes > MAX_INDEX_BYTES) throw invalid(`index.json has over ${MAX_INDEX_BYTES} bytes`);
      index = Buffer.concat(await Array.fromAsync(entry.chunks()));
    }
  }
  if (index === undefined) throw invalid("the cache has no index.json");
  const { manifests } = asObject(parseJson(index, "index.json"), "index.json");
  const [first] = asArray(manifests, "index.json");
  const manifest = parseDigest(asString(asObject(first, "index.json").digest, "index.json"));
  if ((await content.find(manifest)) === undefined) throw invalid(`the cache lacks its manifest ${manifest}`);
  return { manifest, [Symbol.dispose]: () => lease[Symbol.dispose]() };
}

/** The tar of a layout with the cache's manifest and its blobs; the layout is disposed with the stream. */
export async function writeCacheLayout(content: ContentStore, layout: CacheLayout): Promise<Readable> {
  const bytes = await content.read(layout.manifest, MAX_MANIFEST_BYTES);
  const document = asObject(parseJson(bytes, "cache manifest"), "cache manifest");
  const named = [document.config, ...asArray(document.layers, "cache manifest")].map((value) => {
    const { digest, size } = asObject(value, "cache manifest");
    return { digest: parseDigest(asString(digest, "digest")), sizeBytes: asSize(size, "size") };
  });
  const all = [{ digest: layout.manifest, sizeBytes: bytes.length }, ...named];
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.index,
      manifests: [{ mediaType: MEDIA.manifest, digest: layout.manifest, size: bytes.length }],
    }),
  );
  const members = [
    ...[...new Map(all.map((blob) => [blob.digest, blob])).values()].map(
      ({ digest, sizeBytes }): TarMember => ({
        type: "file",
        path: `blobs/sha256/${digest.slice("sha256:".length)}`,
        sizeBytes,
        async *open() {
          if ((await content.find(digest)) === undefined) throw notFound(`content ${digest} is gone`);
          yield* await content.open(digest);
        },
      }),
    ),
    memory("index.json", index),
    memory("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}')),
  ];
  const stream = Readable.from(writeTar(members), { objectMode: false });
  stream.once("close", () => layout[Symbol.dispose]());
  return stream;
}

const memory = (path: string, bytes: Buffer): TarMember => ({
  type: "file",
  path,
  sizeBytes: bytes.length,
  async *open() {
    yield bytes;
  },
});

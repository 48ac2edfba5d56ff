import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { formatImageManifest, MEDIA } from "../../archive/index.ts";
import { digestOf } from "../../content/index.ts";
import { limiter } from "../../platform/index.ts";
import { isForeign } from "../../registry/index.ts";
import type { ImageContext } from "../context.ts";
import type { Lease } from "../leases.ts";
import type { ImageLayer, ImageRecord } from "../table.ts";

/** One compressor a core of a small machine. */
const PARALLEL = 2;

/**
 * An image whose layers all are compressed, as registries want them: those that came plain (from an archive, an import,
 * a commit) are compressed once and kept in that form, so that each push sends the same bytes. What came compressed
 * stays as it is, whatever the compression. The record as it is then.
 */
export async function withCompressedLayers(
  context: ImageContext,
  image: ImageRecord,
  lease: Lease,
  signal: AbortSignal,
): Promise<ImageRecord> {
  const isPlain = ({ mediaType }: ImageLayer) => /\.tar$/.test(mediaType) && !isForeign(mediaType);
  if (!image.layers.some(isPlain)) return image;
  const limit = limiter(PARALLEL);
  const layers = await Promise.all(
    image.layers.map((layer) =>
      isPlain(layer) ? limit(() => compressed(context, layer, lease, signal)) : layer,
    ),
  );
  const config = { digest: image.id, sizeBytes: (await context.content.find(image.id))?.sizeBytes ?? 0 };
  const manifest = formatImageManifest(
    config,
    layers.map(({ mediaType, blobDigest, blobBytes }) => ({
      mediaType,
      digest: blobDigest,
      sizeBytes: blobBytes,
    })),
  );
  const manifestDigest = digestOf(manifest);
  lease.add(manifestDigest);
  await context.content.put(manifest);
  context.store.transaction(() => context.table.replaceBlobs(image.id, manifestDigest, layers));
  return context.table.find(image.id) ?? image;
}

/** The layer with a blob that is compressed, which `lease` holds: one that an image has, else made of its plain blob. */
export async function compressed(
  context: ImageContext,
  layer: ImageLayer,
  lease: Lease,
  signal: AbortSignal,
): Promise<ImageLayer> {
  const known = context.table.compressedBlobOf(layer.diffId);
  if (known !== undefined) {
    lease.add(known.blobDigest);
    return { ...layer, ...known };
  }
  await using ingest = await context.content.begin();
  const gzip = createGzip({ level: 6, chunkSize: 1 << 18 });
  await pipeline(await context.content.open(layer.blobDigest), gzip, (source) => writeAll(source, ingest), {
    signal,
  });
  const { digest, sizeBytes } = await ingest.seal({});
  lease.add(digest);
  await ingest.commit();
  return { ...layer, blobDigest: digest, blobBytes: sizeBytes, mediaType: MEDIA.layerGzip };
}

async function writeAll(
  source: AsyncIterable<Uint8Array>,
  ingest: { write(bytes: Uint8Array): Promise<void> },
): Promise<void> {
  for await (const chunk of source) await ingest.write(chunk);
}

import type { Readable } from "node:stream";
import { formatImageManifest, MEDIA, unpackLayer } from "../archive/index.ts";
import { type Digest, digestOf } from "../content/index.ts";
import { invalid } from "../errors/index.ts";
import type { ImageConfig, ProgressMessage } from "../wire/index.ts";
import { applyChanges } from "./changes.ts";
import type { ImageContext } from "./context.ts";
import { underLease } from "./garbage.ts";
import type { Lease } from "./leases.ts";
import { familiar, nameFrom } from "./names.ts";
import { publishImageEvent } from "./publish.ts";
import type { ImportOptions } from "./service.ts";
import type { ImageLayer } from "./table.ts";

/**
 * `docker import`: a root file system as an image of one layer. The tar is unpacked, hashed and kept (uncompressed) in
 * one pass. Options are checked before the first byte is read.
 */
export async function* importImage(
  context: ImageContext,
  archive: Readable,
  options: ImportOptions,
  signal: AbortSignal,
): AsyncGenerator<ProgressMessage> {
  const name = options.repository === "" ? undefined : nameFrom(options.repository, options.tag);
  const config = applyChanges({}, options.changes);
  const platform = parsePlatform(options.platform);
  const id = await underLease(context, async (lease) => {
    const layer = await takeLayer(context, archive, lease, signal);
    const bytes = documentOf(layer.diffId, config, platform, options.message || "Imported from -");
    const imageId = digestOf(bytes);
    const manifest = formatImageManifest({ digest: imageId, sizeBytes: bytes.length }, [
      { mediaType: layer.mediaType, digest: layer.blobDigest, sizeBytes: layer.blobBytes },
    ]);
    const manifestDigest = digestOf(manifest);
    lease.add(imageId);
    lease.add(manifestDigest);
    await Promise.all([context.content.put(bytes), context.content.put(manifest)]);
    context.store.transaction(() => {
      context.table.insert({ id: imageId, config: bytes.toString("utf8"), manifestDigest, layers: [layer] });
      if (name !== undefined) context.table.setName(name, imageId);
    });
    return imageId;
  });
  publishImageEvent(context, "import", id, name === undefined ? id : familiar(name), context.table.find(id));
  yield { status: id };
}

async function takeLayer(
  context: ImageContext,
  archive: Readable,
  lease: Lease,
  signal: AbortSignal,
): Promise<ImageLayer> {
  const { snapshotter, content } = context;
  await using ingest = await content.begin();
  const draft = await snapshotter.prepareLayer(undefined);
  try {
    const request = {
      shim: context.shim,
      layer: { stream: archive },
      folder: draft.folder,
      lower: [],
      tarPath: ingest.path,
    };
    const unpacked = await unpackLayer(request, signal);
    if (unpacked === "needs-parents") throw invalid("the archive does not bring the parents of its files");
    const { diffId, tarBytes, fileBytes } = unpacked;
    lease.add(diffId);
    await ingest.sealWritten(diffId, tarBytes);
    await ingest.commit();
    await snapshotter.commitLayer(draft, diffId, undefined, fileBytes);
    return {
      diffId,
      chainId: diffId,
      sizeBytes: fileBytes,
      blobDigest: diffId,
      blobBytes: tarBytes,
      mediaType: MEDIA.layer,
    };
  } catch (error) {
    await snapshotter.discard(draft);
    throw error;
  }
}

interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** "linux/amd64", "linux/arm/v7"; this machine's when not given. */
function parsePlatform(text: string | undefined): Platform {
  if (text === undefined || text === "") return { os: "linux", architecture: "amd64" };
  const [os = "", architecture = "amd64", variant, ...rest] = text.split("/");
  if (os !== "linux" || architecture === "" || rest.length > 0)
    throw invalid(`operating system is not supported: ${text}`);
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

function documentOf(diffId: Digest, config: ImageConfig, platform: Platform, comment: string): Buffer {
  const created = new Date().toISOString();
  return Buffer.from(
    JSON.stringify({
      created,
      ...platform,
      comment,
      config,
      rootfs: { type: "layers", diff_ids: [diffId] },
      history: [{ created, comment }],
    }),
  );
}

import { Readable } from "node:stream";
import { formatImageManifest, MEDIA, unpackLayer } from "../archive/index.ts";
import { type Digest, digestOf } from "../content/index.ts";
import { invalid, unavailable } from "../errors/index.ts";
import { download, hostPlatform, type Platform, parsePlatform } from "../registry/index.ts";
import type { ImageConfig, ProgressMessage } from "../wire/index.ts";
import { applyChanges } from "./changes.ts";
import type { ImageContext } from "./context.ts";
import { underLease } from "./garbage.ts";
import type { Lease } from "./leases.ts";
import { familiar, nameFrom } from "./names.ts";
import { LayerMeter, progressOf, type Report } from "./progress/index.ts";
import { publishImageEvent } from "./publish.ts";
import type { ImportOptions } from "./service.ts";
import type { ImageLayer } from "./table.ts";

/** What an import makes of the files. */
interface Wanted {
  readonly name: string | undefined;
  readonly config: ImageConfig;
  readonly platform: Platform;
  readonly comment: string;
}

/**
 * `docker import`: a root file system as an image of one layer. The tar is unpacked, hashed and kept (uncompressed) in
 * one pass. Options are checked before the first byte is read.
 */
export function importImage(
  context: ImageContext,
  source: Readable | URL,
  options: ImportOptions,
  signal: AbortSignal,
): AsyncIterable<ProgressMessage> {
  const wanted: Wanted = {
    name: options.repository === "" ? undefined : nameFrom(options.repository, options.tag),
    config: applyChanges({}, options.changes),
    platform: importPlatform(options.platform),
    comment: options.message || `Imported from ${source instanceof URL ? source.href : "-"}`,
  };
  return progressOf(async (report, stop) => {
    const archive = source instanceof URL ? await fetched(context, source, report, stop) : source;
    report({ status: await install(context, archive, wanted, stop) });
  }, signal);
}

/** The archive that a server has, with its bytes told as they pass. */
async function fetched(
  context: ImageContext,
  url: URL,
  report: Report,
  signal: AbortSignal,
): Promise<Readable> {
  const { body, sizeBytes = 0 } = await download(context.registries, url, signal);
  report({ status: `Downloading from ${url.href}` });
  const meter = new LayerMeter(undefined, report);
  async function* counted() {
    let count = 0;
    try {
      for await (const chunk of body) {
        count += chunk.length;
        yield chunk;
        meter.count("Importing", count, sizeBytes);
      }
    } catch (cause) {
      throw unavailable(`the download of ${url.href} broke off: unexpected EOF`, {
        cause,
      });
    }
  }
  return Readable.from(counted(), { objectMode: false });
}

/** Resolves with the image's id. */
async function install(
  context: ImageContext,
  archive: Readable,
  { name, config, platform, comment }: Wanted,
  signal: AbortSignal,
): Promise<Digest> {
  const id = await underLease(context, async (lease) => {
    const layer = await takeLayer(context, archive, lease, signal);
    const bytes = documentOf(layer.diffId, config, platform, comment);
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
  return id;
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

/** This machine's when none is given. Throws invalid. */
function importPlatform(text: string | undefined): Platform {
  const platform = text === undefined || text === "" ? hostPlatform() : parsePlatform(text);
  if (platform.os !== "linux") throw invalid(`operating system is not supported: ${text}`);
  return platform;
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

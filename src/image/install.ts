import {
  type ArchivedAttestation,
  formatImageManifest,
  MEDIA,
  type Member,
  type Unpacked,
  unpackedLimit,
  unpackLayer,
} from "../archive/index.ts";
import { type Digest, digestOf } from "../content/index.ts";
import { EngineError, invalid } from "../errors/index.ts";
import { limiter } from "../platform/index.ts";
import type { LayerDraft } from "../snapshot/index.ts";
import type { Attestation } from "./attestation.ts";
import type { ImageContext } from "./context.ts";
import { chainIdsOf, parseImageDocument } from "./image-config.ts";
import type { Lease } from "./leases.ts";
import type { ImageLayer } from "./table.ts";

/** Layers unpacked at the same time: each already uses a second thread for digest and decompression. */
const PARALLEL = 2;

/** An image whose blobs are on their way in. */
export interface IncomingImage {
  readonly config: { readonly bytes: Buffer; readonly member: Member };
  readonly layers: readonly Member[];
  readonly manifest: Member | undefined;
  readonly attestation: ArchivedAttestation | undefined;
}

interface OpenLayer {
  readonly draft: LayerDraft;
  readonly unpacked: Unpacked | "needs-parents";
}

/** An image whose layers and blobs are here, and whose rows are still to be written. */
export interface PreparedImage {
  readonly id: Digest;
  readonly config: string;
  readonly manifestDigest: Digest;
  readonly layers: readonly ImageLayer[];
}

/** The same with what came along that is said of its manifest. */
export interface AttestedImage extends PreparedImage {
  readonly attestation: Attestation | undefined;
}

/**
 * Bring in what an image is made of: unpack the layers that are missing, keep all blobs. Every layer must have the
 * diffID that the config states. `lease`
 * holds what has no row yet; after a failure the caller drops it and collects garbage.
 */
export async function prepareImage(
  context: ImageContext,
  image: IncomingImage,
  lease: Lease,
  signal: AbortSignal,
): Promise<AttestedImage> {
  const document = parseImageDocument(image.config.bytes);
  const chainIds = chainIdsOf(document.diffIds);
  if (chainIds.length !== image.layers.length) {
    throw invalid(
      `invalid manifest, layers length mismatch: expected ${chainIds.length}, got ${image.layers.length}`,
    );
  }
  if (document.os !== "linux") throw invalid(`cannot load ${document.os} image on linux`);
  for (const chainId of chainIds) lease.add(chainId);
  const said =
    image.attestation === undefined ? [] : [image.attestation.manifest, ...image.attestation.blobs];
  const members = [
    image.config.member,
    ...image.layers,
    ...(image.manifest === undefined ? [] : [image.manifest]),
    ...said,
  ];
  for (const member of members) lease.add(member.digest);

  const [unpacked, kept] = await Promise.allSettled([
    unpackMissing(context, image.layers, document.diffIds, chainIds, signal),
    Promise.all(members.map((member) => member.ingest.commit())),
  ]);
  if (unpacked.status === "rejected") throw unpacked.reason;
  if (kept.status === "rejected") throw kept.reason;

  const layers = image.layers.map((member, at) =>
    layerRow(context, member, document.diffIds[at], chainIds[at]),
  );
  const manifestDigest = image.manifest?.digest ?? (await writeManifest(context, image, layers, lease));
  return {
    id: image.config.member.digest,
    config: image.config.bytes.toString("utf8"),
    manifestDigest,
    layers,
    attestation: image.attestation && {
      manifest: image.attestation.manifest.digest,
      manifestBytes: image.attestation.manifest.sizeBytes,
      blobs: image.attestation.blobs.map(({ digest }) => digest),
    },
  };
}

/** A layer's rows speak for its blob as it came, compressed or not. */
function layerRow(
  context: ImageContext,
  member: Member,
  diffId: Digest | undefined,
  chainId: Digest | undefined,
): ImageLayer {
  if (diffId === undefined || chainId === undefined) throw invalid("invalid image config: too few diff_ids");
  return {
    diffId,
    chainId,
    sizeBytes: context.snapshotter.layerSize(chainId) ?? 0,
    blobDigest: member.digest,
    blobBytes: member.sizeBytes,
    mediaType: mediaTypeOf(member),
  };
}

function mediaTypeOf(member: Member): string {
  if (member.compression === "gzip") return MEDIA.layerGzip;
  return member.compression === "zstd" ? MEDIA.layerZstd : MEDIA.layer;
}

async function writeManifest(
  context: ImageContext,
  image: IncomingImage,
  layers: readonly ImageLayer[],
  lease: Lease,
): Promise<Digest> {
  const bytes = formatImageManifest(image.config.member, layers.map(layerDescriptor));
  lease.add(digestOf(bytes));
  return (await context.content.put(bytes)).digest;
}

function layerDescriptor({ mediaType, blobDigest, blobBytes }: ImageLayer) {
  return { mediaType, digest: blobDigest, sizeBytes: blobBytes };
}

/**
 * Unpack what is missing of a chain, a few layers at a time. A layer nearly always brings the parents of its files
 * itself, so it can be unpacked before the layers below are there; one that does not is unpacked again in its turn.
 */
async function unpackMissing(
  context: ImageContext,
  members: readonly Member[],
  diffIds: readonly Digest[],
  chainIds: readonly Digest[],
  signal: AbortSignal,
): Promise<void> {
  const { snapshotter } = context;
  const missing = chainIds.flatMap((chainId, at) => {
    const [member, diffId] = [members[at], diffIds[at]];
    if (member === undefined || diffId === undefined || snapshotter.findLayer(chainId) !== undefined)
      return [];
    return [{ member, diffId, chainId, parent: chainIds[at - 1] }];
  });
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const limit = limiter(PARALLEL);
  const started = missing.map((layer, at) =>
    limit(() => unpackInto(context, layer.member, at === 0 ? layer.parent : "unknown", either)),
  );
  // A layer may fail before its turn comes to be awaited; that is no unhandled rejection.
  const settling = Promise.allSettled(started);
  try {
    for (const [at, layer] of missing.entries()) {
      let open = await started[at];
      if (open?.unpacked === "needs-parents") {
        await snapshotter.discard(open.draft);
        open = await unpackInto(context, layer.member, layer.parent, either);
      }
      if (open === undefined || open.unpacked === "needs-parents") continue;
      if (open.unpacked.diffId !== layer.diffId) {
        await snapshotter.discard(open.draft);
        throw invalid(
          `layers from manifest don't match image configuration: layer ${at + 1} has ${open.unpacked.diffId}, want ${layer.diffId}`,
        );
      }
      await snapshotter.commitLayer(open.draft, layer.chainId, layer.parent, open.unpacked.fileBytes);
    }
  } finally {
    stop.abort();
    for (const result of await settling)
      if (result.status === "fulfilled") await snapshotter.discard(result.value.draft);
  }
}

/** Unpack one layer into a draft of its own, unless that was done as it came; the draft is discarded when that fails. */
async function unpackInto(
  context: ImageContext,
  member: Member,
  parent: Digest | undefined | "unknown",
  signal: AbortSignal,
): Promise<OpenLayer> {
  const early = member.takeUnpacked();
  if (early !== undefined) {
    const { draft, unpacked } = early;
    if (!(unpacked instanceof EngineError)) return { draft, unpacked };
    await context.snapshotter.discard(draft);
    throw unpacked;
  }
  const draft = await context.snapshotter.prepareLayer(parent === "unknown" ? undefined : parent);
  try {
    const lower = parent === "unknown" ? parent : draft.lower;
    const layer = { path: member.ingest.readPath };
    const limitBytes = unpackedLimit(member.sizeBytes);
    const request = { shim: context.shim, layer, folder: draft.folder, lower, limitBytes };
    const unpacked = await unpackLayer(request, signal);
    return { draft, unpacked };
  } catch (error) {
    await context.snapshotter.discard(draft);
    throw error;
  }
}

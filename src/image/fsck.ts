import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { unpackLayer } from "../archive/index.ts";
import { type Blob, isDigest } from "../content/index.ts";
import { messageOf } from "../errors/index.ts";
import { folderBytes } from "../snapshot/index.ts";
import type { FsckProblem, FsckReply } from "../wire/index.ts";
import type { ImageContext } from "./context.ts";
import { collectGarbage } from "./garbage.ts";
import { familiar } from "./names.ts";
import type { ImageLayer, ImageRecord } from "./table.ts";

type Found = Omit<FsckProblem, "Repaired"> & { readonly repair?: () => Promise<boolean> };

/**
 * `system fsck`: every blob against its digest, every image's row against its blobs and layers, every layer's row
 * against its folder and its size, and whatever is there that no row speaks for. With `repair`, blobs that are wrong
 * and things that nobody needs are removed, and layers are unpacked again from their blobs; what only a registry can
 * give again is told as such. Safe while containers run and images are pulled.
 */
export async function checkStore(
  context: ImageContext,
  repair: boolean,
  signal: AbortSignal,
): Promise<FsckReply> {
  const images = context.table.list();
  const blobs = await context.content.list();
  const layers = context.snapshotter.listLayers();
  const found = [
    ...(await checkBlobs(context, blobs, signal)),
    ...(await checkLayers(context, images, signal)),
    ...(await checkImages(context, images)),
    ...(await checkAttestations(context, images)),
    ...(await checkStrays(context, blobs)),
  ];
  const problems: FsckProblem[] = [];
  for (const { repair: mend, ...problem } of found) {
    problems.push({ ...problem, Repaired: repair && mend !== undefined ? await mend() : false });
  }
  return {
    Checked: { Blobs: blobs.length, Layers: layers.length, Images: images.length },
    Problems: problems,
  };
}

async function checkBlobs(
  context: ImageContext,
  blobs: readonly Blob[],
  signal: AbortSignal,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const { digest } of blobs) {
    signal.throwIfAborted();
    const actual = await hashOf(context, digest);
    if (actual === undefined || actual === digest) continue;
    found.push({
      Kind: "blob",
      Subject: digest,
      Detail: `the blob's bytes have the digest ${actual}`,
      repair: async () => {
        await context.content.delete(digest);
        return true;
      },
    });
  }
  return found;
}

/** The digest that a blob's bytes have; undefined when it is not here. */
export async function hashOf(context: ImageContext, digest: Blob["digest"]): Promise<string | undefined> {
  if ((await context.content.find(digest)) === undefined) return undefined;
  const hash = createHash("sha256");
  for await (const chunk of await context.content.open(digest)) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

/** The layers of images: their folders are there, and hold as many bytes as were unpacked. */
async function checkLayers(
  context: ImageContext,
  images: readonly ImageRecord[],
  signal: AbortSignal,
): Promise<Found[]> {
  const found: Found[] = [];
  const seen = new Set<string>();
  for (const layer of images.flatMap((image) => image.layers)) {
    if (seen.has(layer.chainId)) continue;
    seen.add(layer.chainId);
    signal.throwIfAborted();
    const detail = await layerFault(context, layer);
    if (detail === undefined) continue;
    found.push({
      Kind: "layer",
      Subject: layer.chainId,
      Detail: detail,
      repair: () => restoreLayer(context, layer),
    });
  }
  return found;
}

async function layerFault(context: ImageContext, layer: ImageLayer): Promise<string | undefined> {
  const { snapshotter } = context;
  const place = snapshotter.findLayer(layer.chainId);
  if (place === undefined) return "the layer has no row: pull or load its image again";
  if (!existsSync(place.folder)) return `the layer's folder ${place.folder} is gone`;
  const [expected, actual] = [snapshotter.layerSize(layer.chainId) ?? 0, await folderBytes(place.folder)];
  return actual < expected ? `the layer's files have ${actual} bytes, ${expected} were unpacked` : undefined;
}

/** Unpack a layer again where its files are missing. Those that are there are replaced by the same. */
export async function restoreLayer(context: ImageContext, layer: ImageLayer): Promise<boolean> {
  const place = context.snapshotter.findLayer(layer.chainId);
  const blob = await context.content.find(layer.blobDigest);
  if (place === undefined || blob === undefined) return false;
  mkdirSync(place.folder, { recursive: true, mode: 0o755 });
  const [, ...lower] = context.snapshotter.view(layer.chainId).lower;
  const request = { shim: context.shim, layer: { path: blob.path }, folder: place.folder, lower };
  try {
    const unpacked = await unpackLayer(request, new AbortController().signal);
    return unpacked !== "needs-parents" && unpacked.diffId === layer.diffId;
  } catch {
    // Told as not repaired; the blob's own fault is a problem of its own.
    return false;
  }
}

async function checkImages(context: ImageContext, images: readonly ImageRecord[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const image of images) {
    const name = image.names[0] === undefined ? image.id : familiar(image.names[0]);
    const missing: string[] = [];
    for (const digest of [image.id, image.manifestDigest, ...image.layers.map((layer) => layer.blobDigest)]) {
      if ((await context.content.find(digest)) === undefined) missing.push(digest);
    }
    if (missing.length === 0) continue;
    const detail = `${missing.length} of its blobs are missing (${missing[0]}): pull or load it again`;
    // Containers of it go on; only saving and pushing it does not work.
    found.push({ Kind: "image", Subject: name, Detail: detail });
  }
  return found;
}

/** What is said of an image without all of its parts is not said any more once it is repaired: the image is whole without it. */
async function checkAttestations(context: ImageContext, images: readonly ImageRecord[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const { id, names } of images) {
    const said = context.table.attestationOf(id);
    const digests = said === undefined ? [] : [said.manifest, ...said.blobs];
    const present = await Promise.all(digests.map((digest) => context.content.find(digest)));
    const missing = digests.filter((_, at) => present[at] === undefined);
    if (missing.length === 0) continue;
    found.push({
      Kind: "image",
      Subject: names[0] === undefined ? id : familiar(names[0]),
      Detail: `${missing.length} blobs of its attestations are missing (${missing[0]}): build it again`,
      repair: async () => {
        context.store.transaction(() => context.table.dropAttestation(id));
        await collectGarbage(context);
        return true;
      },
    });
  }
  return found;
}

async function checkStrays(context: ImageContext, blobs: readonly Blob[]): Promise<Found[]> {
  const { table, leases, snapshotter, content } = context;
  const isKept = (digest: string) => leases.isHeld(digest) || context.roots().has(digest);
  const collect = async () => {
    await collectGarbage(context);
    return true;
  };
  const strayBlobs = blobs.filter(
    ({ digest }) => !isKept(digest) && !table.isBlobUsed(digest) && !table.isWanted(digest),
  );
  const strayLayers = snapshotter
    .listLayers()
    .filter(
      ({ chainId }) => !isKept(chainId) && !table.isChainUsed(chainId) && !snapshotter.isLayerUsed(chainId),
    );
  const folders = await snapshotter.strayFolders();
  const partials = (await content.partials()).filter(
    ({ digest }) => isDigest(digest) && !table.isWanted(digest),
  );
  return [
    ...strayBlobs.map(({ digest, sizeBytes }) => ({
      Kind: "blob" as const,
      Subject: digest,
      Detail: `no image needs the blob (${sizeBytes} bytes)`,
      repair: collect,
    })),
    ...strayLayers.map(({ chainId }) => ({
      Kind: "layer" as const,
      Subject: chainId,
      Detail: "no image and no container needs the layer",
      repair: collect,
    })),
    ...folders.map((folder) => ({
      Kind: "folder" as const,
      Subject: folder,
      Detail: "no row speaks for the folder",
      repair: async () => {
        await snapshotter.sweep();
        return !existsSync(folder);
      },
    })),
    ...partials.map(({ digest, sizeBytes }) => ({
      Kind: "partial" as const,
      Subject: digest,
      Detail: `a part of a blob (${sizeBytes} bytes) that no pull wants`,
      repair: async () => {
        await content.dropPartials().catch((error) => messageOf(error));
        return true;
      },
    })),
  ];
}

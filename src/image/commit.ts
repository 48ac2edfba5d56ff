import { MEDIA, packLayer, unpackLayer } from "../archive/index.ts";
import { conflict } from "../errors/index.ts";
import { assembleImage } from "./assemble.ts";
import { applyChanges } from "./changes.ts";
import type { ImageContext } from "./context.ts";
import { chainIdsOf, type ImageDocument } from "./image-config.ts";
import type { Lease } from "./leases.ts";
import { familiar, nameFrom } from "./names.ts";
import type { CommitRequest } from "./service.ts";
import type { ImageLayer } from "./table.ts";

/**
 * `docker commit`: what a container changed becomes a layer on top of its image. Nothing changed makes an image
 * without a new layer. Throws invalid for a malformed name or change, conflict when the image has been removed by force.
 */
export async function commitImage(
  context: ImageContext,
  request: CommitRequest,
  signal: AbortSignal,
): Promise<string> {
  const { repository, tag } = request;
  const names = repository === "" ? [] : [familiar(nameFrom(repository, tag))];
  const config = applyChanges(request.config, request.changes);
  const base = context.table.find(request.imageId);
  if (base === undefined) throw conflict(`the container's image ${request.imageId} is no longer here`);
  using lease = context.leases.take();
  for (const layer of base.layers) {
    lease.add(layer.chainId);
    lease.add(layer.blobDigest);
  }
  const added = await takeLayer(context, request.changedFolder, base.document, lease, signal);
  const layers = added === undefined ? base.layers : [...base.layers, added];
  const created = new Date().toISOString();
  const step = {
    created,
    ...(request.author === "" ? {} : { author: request.author }),
    created_by: request.createdBy,
    ...(request.comment === "" ? {} : { comment: request.comment }),
    ...(added === undefined ? { empty_layer: true } : {}),
  };
  const { architecture, variant, os, osVersion } = base.document;
  const document = JSON.stringify({
    created,
    ...(request.author === "" ? {} : { author: request.author }),
    architecture,
    ...(variant === undefined ? {} : { variant }),
    os,
    ...(osVersion === undefined ? {} : { "os.version": osVersion }),
    ...(request.comment === "" ? {} : { comment: request.comment }),
    config,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: [...base.document.history.map(historyEntry), step],
  });
  return assembleImage(context, { document, layers, names });
}

function historyEntry({ created, createdBy, comment, emptyLayer }: ImageDocument["history"][number]) {
  return {
    ...(created === undefined ? {} : { created }),
    created_by: createdBy,
    ...(comment === "" ? {} : { comment }),
    ...(emptyLayer ? { empty_layer: true } : {}),
  };
}

/** The folder as a layer: packed into a blob, and unpacked from it again, since a container goes on writing into its own. */
async function takeLayer(
  context: ImageContext,
  folder: string,
  base: ImageDocument,
  lease: Lease,
  signal: AbortSignal,
): Promise<ImageLayer | undefined> {
  const { content, snapshotter, shim } = context;
  await using ingest = await content.begin();
  const { diffId, tarBytes, entries } = await packLayer({ shim, folder, tarPath: ingest.path }, signal);
  // The folder itself is always an entry.
  if (entries <= 1) return undefined;
  const chain = chainIdsOf([...base.diffIds, diffId]);
  const [chainId = diffId, parent] = [chain.at(-1), chain.at(-2)];
  lease.add(diffId);
  lease.add(chainId);
  await ingest.sealWritten(diffId, tarBytes);
  const draft = await snapshotter.prepareLayer(parent);
  try {
    const layer = { path: ingest.readPath };
    const unpacked = await unpackLayer({ shim, layer, folder: draft.folder, lower: draft.lower }, signal);
    await ingest.commit();
    const fileBytes = unpacked === "needs-parents" ? 0 : unpacked.fileBytes;
    await snapshotter.commitLayer(draft, chainId, parent, fileBytes);
    return {
      diffId,
      chainId,
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

import { formatImageManifest } from "../archive/index.ts";
import { type Digest, digestOf } from "../content/index.ts";
import type { ImageContext } from "./context.ts";
import { chainIdsOf, parseImageDocument } from "./image-config.ts";
import { familiar, nameFrom } from "./names.ts";
import { publishImageEvent } from "./publish.ts";
import type { AssembledImage } from "./service.ts";

/**
 * Write an image's documents and rows. Its layers and blobs must be held by a lease until this resolves. Resolves with
 * the image's id. Throws invalid when document and layers do not agree, or for a malformed name.
 */
export async function assembleImage(context: ImageContext, image: AssembledImage): Promise<Digest> {
  const names = image.names.map((name) => nameFrom(name, ""));
  const bytes = Buffer.from(image.document);
  const chain = chainIdsOf(parseImageDocument(bytes).diffIds);
  if (chain.length !== image.layers.length || chain.some((id, at) => id !== image.layers[at]?.chainId)) {
    throw new RangeError("the layers of an image are not those that its config names");
  }
  const id = digestOf(bytes);
  const manifest = formatImageManifest(
    { digest: id, sizeBytes: bytes.length },
    image.layers.map(({ mediaType, blobDigest, blobBytes }) => ({
      mediaType,
      digest: blobDigest,
      sizeBytes: blobBytes,
    })),
  );
  const manifestDigest = digestOf(manifest);
  using lease = context.leases.take();
  lease.add(id);
  lease.add(manifestDigest);
  await Promise.all([context.content.put(bytes), context.content.put(manifest)]);
  context.store.transaction(() => {
    context.table.insert({ id, config: image.document, manifestDigest, layers: image.layers });
    for (const name of names) context.table.setName(name, id);
  });
  for (const name of names) publishImageEvent(context, "tag", id, familiar(name), context.table.find(id));
  return id;
}

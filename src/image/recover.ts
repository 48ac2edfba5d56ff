import { messageOf } from "../errors/index.ts";
import type { ImageContext } from "./context.ts";
import { hashOf, restoreLayer } from "./fsck.ts";
import { familiar } from "./names.ts";
import { bootTimeMs } from "./settling.ts";
import type { ImageRecord } from "./table.ts";

/**
 * After a failure of power: check what had come in and was not known to be on the disk. Blobs are hashed, layers are
 * unpacked again from them. An image that is torn goes, so that the next use of it pulls it again, unless a container
 * is made of it. Gives a sentence for each image that is lost. Run at start, before anything uses images.
 */
export async function recoverImages(context: ImageContext): Promise<string[]> {
  const { table, settling, content, store } = context;
  for (const digest of table.wantedBefore(bootTimeMs())) {
    if ((await hashOf(context, digest)) !== digest) await content.delete(digest);
  }
  const suspects = settling.suspects();
  const lost: string[] = [];
  for (const id of suspects) {
    const image = table.find(id);
    const fault = image === undefined ? undefined : await mend(context, image);
    if (image === undefined || fault === undefined) continue;
    const name = image.names[0] === undefined ? id : familiar(image.names[0]);
    const isUsed = context.usedBy(id).length > 0;
    if (!isUsed) store.transaction(() => table.delete(id));
    const outcome = isUsed
      ? "its containers may miss files: pull or load it again"
      : "it was removed: pull or load it again";
    lost.push(`the image ${name} was torn when the machine stopped (${fault}); ${outcome}`);
  }
  settling.trust(suspects);
  settling.start();
  return lost;
}

/** What is wrong with an image and cannot be mended; undefined when it is sound. */
async function mend(context: ImageContext, image: ImageRecord): Promise<string | undefined> {
  for (const digest of [image.id, image.manifestDigest, ...image.layers.map((layer) => layer.blobDigest)]) {
    const actual = await hashOf(context, digest).catch(messageOf);
    if (actual === digest) continue;
    await context.content.delete(digest);
    return `the blob ${digest} ${actual === undefined ? "is missing" : "has other bytes"}`;
  }
  for (const layer of image.layers) {
    if (!(await restoreLayer(context, layer))) return `the layer ${layer.chainId} cannot be unpacked again`;
  }
  return undefined;
}

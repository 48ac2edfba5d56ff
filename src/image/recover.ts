import { internal, messageOf } from "../errors/index.ts";
import type { ImageContext } from "./context.ts";
import { hashOf, restoreLayer } from "./fsck.ts";
import { familiar } from "./names.ts";
import { bootTimeMs } from "./settling.ts";
import type { ImageRecord } from "./table.ts";

/**
 * After a failure of power: check what had come in and was not known to be on the disk. Blobs are hashed, layers are
 * unpacked again from them. An image with a torn blob goes, so that the next use of it pulls it again, unless a container
 * is made of it. One that cannot be checked or unpacked (a full disk) stays, and is tried again at the next start. Gives a
 * sentence for each of them. Run at start, before anything uses images.
 */
export async function recoverImages(context: ImageContext): Promise<string[]> {
  const { table, settling, content, store } = context;
  for (const digest of table.wantedBefore(bootTimeMs())) {
    if ((await hashOf(context, digest)) !== digest) await content.delete(digest);
  }
  const checked: string[] = [];
  const lost: string[] = [];
  for (const id of settling.suspects()) {
    const image = table.find(id);
    if (image === undefined) continue;
    const name = image.names[0] === undefined ? id : familiar(image.names[0]);
    let fault: string | undefined;
    try {
      fault = await tornBlob(context, image);
      if (fault === undefined) await unpackAgain(context, image);
    } catch (error) {
      lost.push(`the image ${name} could not be checked after the machine stopped: ${messageOf(error)}`);
      continue;
    }
    checked.push(id);
    if (fault === undefined) continue;
    const isUsed = context.usedBy(id).length > 0;
    if (!isUsed) store.transaction(() => table.delete(id));
    const outcome = isUsed
      ? "its containers may miss files: pull or load it again"
      : "it was removed: pull or load it again";
    lost.push(`the image ${name} was torn when the machine stopped (${fault}); ${outcome}`);
  }
  settling.trust(checked);
  settling.start();
  return lost;
}

/** Which of an image's blobs is not what its name says, which is then removed; undefined when all are sound. */
async function tornBlob(context: ImageContext, image: ImageRecord): Promise<string | undefined> {
  for (const digest of [image.id, image.manifestDigest, ...image.layers.map((layer) => layer.blobDigest)]) {
    const actual = await hashOf(context, digest);
    if (actual === digest) continue;
    await context.content.delete(digest);
    return `the blob ${digest} ${actual === undefined ? "is missing" : "has other bytes"}`;
  }
  return undefined;
}

async function unpackAgain(context: ImageContext, image: ImageRecord): Promise<void> {
  for (const layer of image.layers) {
    if (!(await restoreLayer(context, layer)))
      throw internal(`the layer ${layer.chainId} cannot be unpacked again`);
  }
}

import { conflict } from "../errors/index.ts";
import type { ImageDeleteItem } from "../wire/index.ts";
import type { ImageContext } from "./context.ts";
import { collectGarbage } from "./garbage.ts";
import { findImage, shortId } from "./lookup.ts";
import { familiar, familiarDigest } from "./names.ts";
import { publishImageEvent } from "./publish.ts";
import type { ImageRecord } from "./table.ts";

/**
 * `docker rmi`, by Docker's rules. By name: the name goes; the image goes with its last name. By id: the image goes
 * with its only name, or with all of them by force. A running container's image stays in any case; a stopped one's
 * goes by force. Rows go in one transaction, then what nothing speaks for any more is collected.
 */
export async function removeImage(
  context: ImageContext,
  reference: string,
  options: { force: boolean },
): Promise<ImageDeleteItem[]> {
  const items: ImageDeleteItem[] = [];
  const image = context.store.transaction(() => {
    const found = findImage(context, reference);
    const doomed =
      found.name === undefined
        ? removeById(context, found.image, options.force)
        : removeByName(context, found.image, found.name, reference, options.force);
    for (const name of doomed.names) {
      context.table.deleteName(name);
      items.push({ Untagged: familiar(name) });
    }
    items.push(...forgetDigests(context, found.image, doomed));
    if (doomed.image) context.table.delete(found.image.id);
    return { record: found.image, deleted: doomed.image };
  });
  for (const _ of items) publishImageEvent(context, "untag", image.record.id, image.record.id, image.record);
  if (!image.deleted) return items;
  publishImageEvent(context, "delete", image.record.id, image.record.id, image.record);
  items.push({ Deleted: image.record.id });
  for (const chainId of await collectGarbage(context)) items.push({ Deleted: chainId });
  return items;
}

/** A repository's digest goes with the image's last tag there, and with the image. */
function forgetDigests(context: ImageContext, image: ImageRecord, doomed: Doomed): ImageDeleteItem[] {
  const left = doomed.image ? [] : image.names.filter((name) => !doomed.names.includes(name));
  const touched = new Set(doomed.names.map(repositoryOf));
  return image.digests
    .filter(
      ({ repository }) =>
        doomed.image || (touched.has(repository) && !left.some((name) => repositoryOf(name) === repository)),
    )
    .map((one) => {
      context.table.deleteDigest(one.repository, one.digest);
      return { Untagged: familiarDigest(one) };
    });
}

const repositoryOf = (name: string): string => name.slice(0, name.lastIndexOf(":"));

interface Doomed {
  readonly names: readonly string[];
  /** Whether the image goes too. */
  readonly image: boolean;
}

function removeById(context: ImageContext, image: ImageRecord, force: boolean): Doomed {
  if (image.names.length > 1 && !force) {
    throw conflict(
      `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is referenced in multiple repositories`,
    );
  }
  checkUnused(context, image, force);
  return { names: image.names, image: true };
}

function removeByName(
  context: ImageContext,
  image: ImageRecord,
  name: string,
  reference: string,
  force: boolean,
): Doomed {
  if (image.names.length > 1) return { names: [name], image: false };
  const [user] = context.usedBy(image.id);
  if (user === undefined) return { names: [name], image: true };
  if (!force) {
    throw conflict(
      `conflict: unable to remove repository reference "${reference}" (must force) - container ${shortId(user.containerId)} is using its referenced image ${shortId(image.id)}`,
    );
  }
  // By force the name goes in any case; the image only when no container runs from it.
  return { names: [name], image: !context.usedBy(image.id).some((use) => use.running) };
}

function checkUnused(context: ImageContext, image: ImageRecord, force: boolean): void {
  const uses = context.usedBy(image.id);
  const running = uses.find((use) => use.running);
  if (running !== undefined) {
    throw conflict(
      `conflict: unable to delete ${shortId(image.id)} (cannot be forced) - image is being used by running container ${shortId(running.containerId)}`,
    );
  }
  const [stopped] = uses;
  if (stopped !== undefined && !force) {
    throw conflict(
      `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is being used by stopped container ${shortId(stopped.containerId)}`,
    );
  }
}

import type { Readable } from "node:stream";
import { type ArchivedImage, readImageArchive } from "../archive/index.ts";
import { notFound } from "../errors/index.ts";
import { parseReference, withDefaultTag } from "../reference/index.ts";
import { formatPlatform, type Platform, parsePlatform, platformRank } from "../registry/index.ts";
import type { ProgressMessage } from "../wire/index.ts";
import type { ImageContext } from "./context.ts";
import { underLease } from "./garbage.ts";
import { parseImageDocument } from "./image-config.ts";
import { type AttestedImage, prepareImage } from "./install.ts";
import { familiar, fullName } from "./names.ts";
import { publishImageEvent } from "./publish.ts";

interface LoadedImage {
  readonly id: string;
  readonly names: readonly string[];
  /** Names that another image lost to this one. */
  readonly taken: readonly { readonly name: string; readonly from: string }[];
}

/** `docker load`: all images of an archive, or none when any of them is not sound. */
export async function* loadImages(
  context: ImageContext,
  archive: Readable,
  signal: AbortSignal,
  platform?: string,
): AsyncGenerator<ProgressMessage> {
  const loaded = await installArchive(context, archive, signal, platform);
  for (const { id, names, taken } of loaded) {
    publishImageEvent(context, "load", id, id, context.table.find(id));
    for (const { name, from } of taken) {
      yield {
        stream: `The image ${familiar(name)} already exists, renaming the old one with ID ${from} to empty string\n`,
      };
    }
    if (names.length === 0) yield { stream: `Loaded image ID: ${id}\n` };
    for (const name of names) yield { stream: `Loaded image: ${familiar(name)}\n` };
  }
}

/** Bring in everything an archive holds and write its rows in one transaction. */
export function installArchive(
  context: ImageContext,
  archive: Readable,
  signal: AbortSignal,
  platform?: string,
): Promise<LoadedImage[]> {
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  return underLease(context, async (lease) => {
    await using contents = await readImageArchive(archive, context.content, signal, {
      ...(wanted === undefined ? {} : { platform: wanted }),
      early: {
        shim: context.shim,
        snapshotter: context.snapshotter,
        isKnown: (sizeBytes) => context.table.hasPlainLayerOf(sizeBytes),
      },
    });
    for (const { config } of contents.images) requireWanted(config.bytes, wanted);
    const named = contents.images.map((image) => ({ image, names: namesOf(image) }));
    const prepared: { image: AttestedImage; names: string[] }[] = [];
    for (const { image, names } of named) {
      prepared.push({ image: await prepareImage(context, image, lease, signal), names });
    }
    return context.store.transaction(() =>
      prepared.map(({ image, names }) => ({ id: image.id, names, taken: writeImage(context, image, names) })),
    );
  });
}

/** An archive of Docker's own layout tells of an image's platform in its config alone. Throws not-found. */
function requireWanted(config: Uint8Array, wanted: Platform | undefined): void {
  if (wanted === undefined) return;
  const { os, architecture, variant } = parseImageDocument(config);
  const actual = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (platformRank(actual, wanted) !== undefined) return;
  throw notFound(
    `requested platform (${formatPlatform(wanted)}) not found: the archive has ${formatPlatform(actual)}`,
  );
}

/** Call inside a transaction. */
function writeImage(
  context: ImageContext,
  image: AttestedImage,
  names: readonly string[],
): { name: string; from: string }[] {
  context.table.insert(image);
  // An image that is here already keeps its own manifest, of which an archive with another one says nothing.
  const isSame = context.table.find(image.id)?.manifestDigest === image.manifestDigest;
  if (isSame && image.attestation !== undefined) context.table.setAttestation(image.id, image.attestation);
  const taken = names.flatMap((name) => {
    const from = context.table.idByName(name);
    return from === undefined || from === image.id ? [] : [{ name, from }];
  });
  for (const name of names) context.table.setName(name, image.id);
  return taken;
}

/** The names an archive gives an image; those by digest alone name nothing that could be kept. */
function namesOf(image: ArchivedImage): string[] {
  const references = image.names.map(parseReference).map(withDefaultTag);
  return [...new Set(references.filter(({ tag }) => tag !== undefined).map(fullName))];
}

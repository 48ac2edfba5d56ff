import type { Readable } from "node:stream";
import {
  asObject,
  MEDIA,
  optionalString,
  parseJson,
  type SavedImage,
  type SavedName,
  saveImageArchive,
} from "../archive/index.ts";
import { invalid, notFound } from "../errors/index.ts";
import { parseReference } from "../reference/index.ts";
import { formatPlatform, parsePlatform, platformRank } from "../registry/index.ts";
import { attestedIndex } from "./attestations.ts";
import type { ImageContext } from "./context.ts";
import { findImage } from "./lookup.ts";
import { familiar, familiarRepository, fullRepository } from "./names.ts";
import { publishImageEvent } from "./publish.ts";
import type { SaveOptions } from "./service.ts";
import type { ImageRecord } from "./table.ts";

const MAX_MANIFEST = 8 << 20;
const IMAGE_ID = /^(?:sha256:)?[0-9a-f]{64}$/;

/**
 * `docker save`: images by name, by id (then without names), or a whole repository by its name without tag. What is
 * saved stays on disk until the stream ends, also when the image is removed meanwhile.
 */
export async function saveImages(
  context: ImageContext,
  references: readonly string[],
  { format = "docker-archive", platform }: SaveOptions = {},
): Promise<Readable> {
  if (references.length === 0) throw invalid("no image to save was named");
  const wanted = new Map<string, { image: ImageRecord; names: Set<string> }>();
  for (const { image, name } of references.flatMap((reference) => select(context, reference))) {
    requirePlatform(image, platform);
    const entry = wanted.get(image.id) ?? { image, names: new Set<string>() };
    if (name !== undefined) entry.names.add(name);
    wanted.set(image.id, entry);
  }
  const lease = context.leases.take();
  try {
    for (const { image } of wanted.values()) {
      for (const digest of [
        image.id,
        image.manifestDigest,
        ...image.layers.map((layer) => layer.blobDigest),
        ...(context.table.attestationOf(image.id)?.blobs ?? []),
      ]) {
        lease.add(digest);
      }
    }
    const saved = await Promise.all(
      [...wanted.values()].map(({ image, names }) => describe(context, image, [...names].sort())),
    );
    const stream = await saveImageArchive(saved, context.content, format);
    stream.once("close", () => lease[Symbol.dispose]());
    for (const { image } of wanted.values()) publishImageEvent(context, "save", image.id, image.id, image);
    return stream;
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}

function requirePlatform({ id, names, document }: ImageRecord, platform: string | undefined): void {
  if (platform === undefined) return;
  const { os, architecture, variant } = document;
  const actual = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  const wanted = parsePlatform(platform);
  if (platformRank(actual, wanted) !== undefined) return;
  const name = names[0] === undefined ? id : familiar(names[0]);
  throw notFound(
    `image with reference ${name} was found but does not provide the specified platform (${formatPlatform(wanted)})`,
  );
}

/** A bare name is all tags of its repository, whether "latest" is among them or not; an id is what nothing else is. */
function select(context: ImageContext, text: string): { image: ImageRecord; name: string | undefined }[] {
  if (!IMAGE_ID.test(text)) {
    const reference = parseReference(text);
    const isBare = reference.tag === undefined && reference.digest === undefined;
    const names = isBare ? context.table.namesOf(fullRepository(reference)) : [];
    if (names.length > 0) return names.map(({ name }) => findImage(context, name));
  }
  return [findImage(context, text)];
}

async function describe(
  context: ImageContext,
  image: ImageRecord,
  names: readonly string[],
): Promise<SavedImage> {
  const bytes = await context.content.read(image.manifestDigest, MAX_MANIFEST);
  const document = asObject(parseJson(bytes, "image manifest"), "image manifest");
  const attestation = context.table.attestationOf(image.id);
  return {
    ...(attestation === undefined
      ? {}
      : {
          attested: {
            index: attestedIndex(image, bytes.length, attestation),
            blobs: [attestation.manifest, ...attestation.blobs],
          },
        }),
    configDigest: image.id,
    manifest: {
      mediaType: optionalString(document.mediaType, "image manifest") ?? MEDIA.manifest,
      digest: image.manifestDigest,
      bytes,
    },
    layers: image.layers.map((layer) => ({
      diffId: layer.diffId,
      mediaType: layer.mediaType,
      digest: layer.blobDigest,
      sizeBytes: layer.blobBytes,
    })),
    names: names.map(savedName),
  };
}

function savedName(full: string): SavedName {
  return {
    full,
    familiar: familiar(full),
    familiarRepository: familiarRepository(full),
    tag: full.slice(full.lastIndexOf(":") + 1),
  };
}

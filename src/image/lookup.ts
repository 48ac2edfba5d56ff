import { EngineError, notFound } from "../errors/index.ts";
import { parseReference, type Reference, withDefaultTag } from "../reference/index.ts";
import type { ImageContext } from "./context.ts";
import { familiar, fullName, fullRepository } from "./names.ts";
import type { ImageRecord } from "./table.ts";

/** What a reference turned out to be: an id (or prefix), or a name. */
export interface Found {
  readonly image: ImageRecord;
  /** The full name when it was found by name; undefined by id or digest. */
  readonly name: string | undefined;
}

/**
 * Find an image in Docker's order: a full id, a name with its tag or digest, a prefix of an id.
 * Throws not-found "No such image: x:latest", invalid "invalid reference format".
 */
export function findImage(context: ImageContext, text: string): Found {
  const found = findImageOrUndefined(context, text);
  if (found !== undefined) return found;
  throw notFound(`No such image: ${describeReference(text)}`);
}

export function findImageOrUndefined(context: ImageContext, text: string): Found | undefined {
  const hex = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text)?.[1];
  if (hex !== undefined) return byId(context, `sha256:${hex}`);
  const reference = parseOrUndefined(text);
  const byName = reference === undefined ? undefined : findByReference(context, reference);
  if (byName !== undefined) return byName;
  const prefix = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
  const ids = prefix === undefined ? [] : context.table.idsWithPrefix(prefix);
  if (ids.length === 1 && ids[0] !== undefined) return byId(context, ids[0]);
  if (reference === undefined && prefix === undefined) parseReference(text);
  return undefined;
}

function byId(context: ImageContext, id: string): Found | undefined {
  const image = context.table.find(id);
  return image === undefined ? undefined : { image, name: undefined };
}

function findByReference(context: ImageContext, reference: Reference): Found | undefined {
  if (reference.digest !== undefined) return findByDigest(context, reference, reference.digest);
  const name = fullName(withDefaultTag(reference));
  const id = context.table.idByName(name);
  const image = id === undefined ? undefined : context.table.find(id);
  return image === undefined ? undefined : { image, name };
}

/** NAME@DIGEST: an image of that repository whose manifest or config has the digest. */
function findByDigest(context: ImageContext, reference: Reference, digest: string): Found | undefined {
  const known = context.table.idByDigest(fullRepository(reference), digest);
  const named = known === undefined ? undefined : context.table.find(known);
  if (named !== undefined) return { image: named, name: undefined };
  for (const { imageId } of context.table.namesOf(fullRepository(reference))) {
    const image = context.table.find(imageId);
    if (image !== undefined && (image.manifestDigest === digest || image.id === digest)) {
      return { image, name: undefined };
    }
  }
  return undefined;
}

/** As Docker names it in an error: with the default tag. */
function describeReference(text: string): string {
  const reference = parseOrUndefined(text);
  return reference === undefined || reference.digest !== undefined
    ? text
    : familiar(fullName(withDefaultTag(reference)));
}

function parseOrUndefined(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof EngineError && error.kind === "invalid") return undefined;
    throw error;
  }
}

/** Twelve digits of an id, as messages show it. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

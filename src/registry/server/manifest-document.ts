import { RegistryError } from "./errors.ts";
import { type BlobDigest, isDigest } from "./names.ts";

export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";

/** Manifests are held in memory whole; the spec asks for 4 MiB at least. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** Real manifests are four levels deep. Beyond these, JSON costs memory out of proportion to its length. */
const MAX_DEPTH = 32;
const MAX_OBJECTS = 100_000;
/** Of one manifest's annotations, which are copied into the answers of the referrers API. */
const MAX_ANNOTATION_BYTES = 64 * 1024;

interface Needed {
  readonly digest: BlobDigest;
  readonly sizeBytes: number;
}

/** What a registry has to know of a manifest. */
export interface ManifestDocument {
  readonly mediaType: string;
  /** Blobs it needs here: config and layers, except those that are fetched from elsewhere. */
  readonly blobs: readonly Needed[];
  /** Manifests it needs here. */
  readonly manifests: readonly Needed[];
  readonly subject: BlobDigest | undefined;
  /** Its own, or its config's media type; undefined for an index without one. */
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/**
 * Check a pushed manifest against its media type (OCI image-spec manifest.md and image-index.md, docker/distribution
 * "Image Manifest V 2, Schema 2"). Throws MANIFEST_INVALID with the reason.
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ManifestDocument {
  const document = parseBounded(bytes);
  const mediaType = mediaTypeOf(document, contentType);
  // One document that is an index to one reader and an image to another is an attack (CVE-2021-41190).
  if (document.manifests !== undefined && (document.layers !== undefined || document.config !== undefined)) {
    throw wrong("it has both manifests and layers");
  }
  if (document.schemaVersion !== 2) throw wrong("its schemaVersion is not 2");
  const annotations = parseAnnotations(document.annotations);
  const subject =
    document.subject === undefined ? undefined : parseDescriptor(document.subject, "subject").digest;
  const ownType = optionalText(document.artifactType, "artifactType");
  if (mediaType === OCI_INDEX || mediaType === DOCKER_LIST) {
    const manifests = list(document.manifests, "manifests").map((entry) =>
      parseDescriptor(entry, "manifests"),
    );
    return { mediaType, blobs: [], manifests, subject, artifactType: ownType, annotations };
  }
  const config = parseDescriptor(document.config, "config");
  const layers = list(document.layers, "layers").map((entry) => parseDescriptor(entry, "layers"));
  return {
    mediaType,
    blobs: [config, ...layers.filter((layer) => !layer.foreign)],
    manifests: [],
    subject,
    artifactType: ownType ?? config.mediaType,
    annotations,
  };
}

const wrong = (why: string, cause?: unknown) =>
  new RegistryError(
    "MANIFEST_INVALID",
    `the manifest is invalid: ${why}`,
    cause === undefined ? {} : { cause },
  );

function parseBounded(bytes: Uint8Array): Record<string, unknown> {
  checkNesting(bytes);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw wrong("it is not JSON", cause);
  }
  return object(value, "it");
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Count brackets outside of strings, so that no parser is handed a bomb. */
function checkNesting(bytes: Uint8Array): void {
  let depth = 0;
  let opened = 0;
  let inText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    // "{" and "[", "}" and "]" differ in one bit.
    else if (byte === 0x7b || byte === 0x5b) {
      opened++;
      if (++depth > MAX_DEPTH || opened > MAX_OBJECTS)
        throw wrong("it is nested too deep or has too many parts");
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
}

function mediaTypeOf(document: Record<string, unknown>, contentType: string | undefined): string {
  const own = optionalText(document.mediaType, "mediaType");
  const announced = contentType?.split(";")[0]?.trim().toLowerCase();
  const mediaType = announced === undefined || announced === "" ? own : announced;
  if (document.schemaVersion === 1) throw wrong("schema 1 is no longer supported");
  if (
    mediaType !== OCI_INDEX &&
    mediaType !== OCI_MANIFEST &&
    mediaType !== DOCKER_LIST &&
    mediaType !== DOCKER_MANIFEST
  ) {
    throw wrong(`its media type ${JSON.stringify(mediaType?.slice(0, 100))} is not one of a manifest`);
  }
  const isDocker = mediaType === DOCKER_LIST || mediaType === DOCKER_MANIFEST;
  if (own === undefined ? isDocker : own !== mediaType) {
    throw wrong(`its mediaType field is not the announced ${mediaType}`);
  }
  return mediaType;
}

type ParsedDescriptor = Needed & { readonly mediaType: string; readonly foreign: boolean };

function parseDescriptor(value: unknown, where: string): ParsedDescriptor {
  const { mediaType, digest, size, urls } = object(value, where);
  if (typeof mediaType !== "string" || mediaType === "")
    throw wrong(`${where} has a descriptor without media type`);
  if (typeof digest !== "string" || !isDigest(digest))
    throw wrong(`${where} has a descriptor without a valid digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw wrong(`${where} has a descriptor without a valid size`);
  }
  const foreign =
    (Array.isArray(urls) && urls.length > 0) || /\.(?:foreign\.|layer\.nondistributable\.)/.test(mediaType);
  return { mediaType, digest, sizeBytes: size, foreign };
}

function parseAnnotations(value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const entries = Object.entries(object(value, "annotations"));
  let sizeBytes = 0;
  for (const [key, text] of entries) {
    if (typeof text !== "string") throw wrong("annotations hold something else than text");
    sizeBytes += key.length + text.length;
  }
  if (sizeBytes > MAX_ANNOTATION_BYTES)
    throw wrong(`annotations have over ${MAX_ANNOTATION_BYTES} characters`);
  return Object.fromEntries(entries.map(([key, text]) => [key, String(text)]));
}

function optionalText(value: unknown, where: string): string | undefined {
  if (value === undefined || value === "") return undefined;
  if (typeof value !== "string") throw wrong(`${where} is no text`);
  return value;
}

/** Programs written in Go say null for a list without entries. */
function list(value: unknown, where: string): readonly unknown[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw wrong(`${where} is missing`);
  return value;
}

function object(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(`${where} is no JSON object`);
  return { ...value };
}

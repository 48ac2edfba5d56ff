import { createHash } from "node:crypto";
import { invalid, notFound, unsupported } from "../errors/index.ts";
import { choosePlatform, formatPlatform, type Platform } from "./platform.ts";

/** What content is, how large, and by which digest it is addressed (OCI image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  /** Where else the content may be had, for layers that registries must not pass on. */
  readonly urls?: readonly string[];
}

export interface ImageManifest {
  readonly kind: "manifest";
  readonly config: Descriptor;
  /** Oldest first. */
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex {
  readonly kind: "index";
  readonly manifests: readonly IndexEntry[];
}

export interface IndexEntry extends Descriptor {
  readonly platform?: Platform;
  /** The manifest of the same index that this one only says something of (BuildKit, attestation-storage.md). */
  readonly attests?: string;
}

export const MANIFEST_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
] as const;

/** Larger manifests are refused, as registries do (distribution-spec, manifest PUT). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const INDEX_TYPES: readonly string[] = [MANIFEST_TYPES[0], MANIFEST_TYPES[2]];
const IMAGE_TYPES: readonly string[] = [MANIFEST_TYPES[1], MANIFEST_TYPES[3]];

/**
 * Throws invalid when the bytes are no manifest, unsupported for the schema 1 of before 2016 and for what is no image
 * (another media type, an artifact's config). A document that says itself what it is is believed rather than the
 * answer's header; one that could be read as both kinds is refused, since its meaning would depend on the reader.
 */
export function parseManifest(bytes: Uint8Array, mediaType: string): ImageManifest | ImageIndex {
  const value = parseJson(bytes);
  if (value.schemaVersion === 1)
    throw unsupported(
      "this image has a schema 1 manifest, which is no longer supported: push it again with a newer client",
    );
  if (Array.isArray(value.manifests) && (Array.isArray(value.layers) || value.config !== undefined))
    throw invalid("the manifest is ambiguous: it has both layers and manifests");
  const type = typeof value.mediaType === "string" ? value.mediaType : mediaType;
  const known = INDEX_TYPES.includes(type) || IMAGE_TYPES.includes(type);
  if (!known && /^application\/vnd\./.test(type))
    throw unsupported(`unsupported manifest media type: ${type.slice(0, 100)}`);
  if (Array.isArray(value.manifests)) {
    if (IMAGE_TYPES.includes(type)) throw invalid("the manifest's media type does not fit what it holds");
    return { kind: "index", manifests: value.manifests.map(indexEntry) };
  }
  if (!Array.isArray(value.layers) || INDEX_TYPES.includes(type))
    throw invalid("the registry's answer is no image manifest");
  const config = descriptor(value.config);
  if (!CONFIG_TYPES.includes(config.mediaType)) {
    throw unsupported(
      `unsupported media type ${config.mediaType.slice(0, 100)}: this is an artifact, not an image`,
    );
  }
  return { kind: "manifest", config, layers: value.layers.map(layer) };
}

/** Config and layers of a manifest, of whatever types they are. Throws invalid. */
export function parseArtifact(bytes: Uint8Array): Descriptor[] {
  const { config, layers } = parseJson(bytes);
  if (!Array.isArray(layers)) throw invalid("the registry's answer is no manifest");
  return [config, ...layers].map(descriptor);
}

const CONFIG_TYPES: readonly string[] = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
  // Written by some old tools for what is an image's config all the same.
  "application/octet-stream",
];

const LAYER_TYPE =
  /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar([+.](gzip|zstd))?|docker\.image\.rootfs(\.foreign)?\.diff\.tar(\.(gzip|zstd))?)$/;

/** Layers that registries do not keep (Windows' base layers); they are had from their own URLs. */
export const isForeign = (mediaType: string): boolean => /nondistributable|rootfs\.foreign/.test(mediaType);

function layer(value: unknown): Descriptor {
  const plain = descriptor(value);
  if (!LAYER_TYPE.test(plain.mediaType))
    throw unsupported(`layers of the type "${plain.mediaType.slice(0, 100)}" cannot be unpacked`);
  const { urls } = asObject(value);
  if (!Array.isArray(urls) || !isForeign(plain.mediaType)) return plain;
  return { ...plain, urls: urls.filter((url) => typeof url === "string" && isWebAddress(url)) };
}

const isWebAddress = (url: string): boolean => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);

/** The entry of an index for a platform, by the rules of `choosePlatform`. Throws not-found in Docker's words. */
export function selectPlatform(index: ImageIndex, wanted: Platform): IndexEntry {
  const found = choosePlatform(index.manifests, wanted);
  if (found !== undefined) return found;
  throw notFound(`no matching manifest for ${formatPlatform(wanted)} in the manifest list entries`);
}

function indexEntry(value: unknown): IndexEntry {
  const { platform, annotations = {} } = asObject(value);
  const { "vnd.docker.reference.type": type, "vnd.docker.reference.digest": subject } = asObject(annotations);
  const attests = type === "attestation-manifest" && typeof subject === "string" ? { attests: subject } : {};
  const plain = { ...descriptor(value), ...attests };
  if (platform === undefined) return plain;
  const { os, architecture, variant } = asObject(platform);
  if (typeof os !== "string" || typeof architecture !== "string") return plain;
  return { ...plain, platform: { os, architecture, ...(typeof variant === "string" ? { variant } : {}) } };
}

function descriptor(value: unknown): Descriptor {
  const { mediaType, digest, size } = asObject(value);
  if (typeof mediaType !== "string" || typeof digest !== "string" || typeof size !== "number") {
    throw invalid("the manifest holds a descriptor without media type, digest or size");
  }
  if (!/^sha256:[0-9a-f]{64}$/.test(digest))
    throw invalid(`unsupported digest in the manifest: ${digest.slice(0, 100)}`);
  if (!Number.isSafeInteger(size) || size < 0)
    throw invalid(`the manifest gives ${digest} an impossible size`);
  return { mediaType, digest, size };
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  try {
    return asObject(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (cause) {
    throw invalid("the registry's answer is no JSON manifest", { cause });
  }
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid("the manifest is malformed");
  return value as Record<string, unknown>;
}

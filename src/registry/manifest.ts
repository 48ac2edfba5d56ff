import { createHash } from "node:crypto";
import { invalid, notFound, unsupported } from "../errors/index.ts";

/** What content is, how large, and by which digest it is addressed (OCI image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface ImageManifest {
  readonly kind: "manifest";
  readonly config: Descriptor;
  /** Oldest first. */
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex {
  readonly kind: "index";
  readonly manifests: readonly (Descriptor & { readonly platform?: Platform })[];
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

/** Throws invalid when the bytes are no manifest, unsupported for the schema 1 of before 2016. */
export function parseManifest(bytes: Uint8Array, mediaType: string): ImageManifest | ImageIndex {
  const value = parseJson(bytes);
  if (value.schemaVersion === 1)
    throw unsupported("this image has a schema 1 manifest, which is no longer supported");
  const type = typeof value.mediaType === "string" ? value.mediaType : mediaType;
  if (Array.isArray(value.manifests) && !type.includes("image.manifest")) {
    return { kind: "index", manifests: value.manifests.map(indexEntry) };
  }
  if (!Array.isArray(value.layers)) throw invalid("the registry's answer is no image manifest");
  return { kind: "manifest", config: descriptor(value.config), layers: value.layers.map(descriptor) };
}

/** The entry of an index for a platform: same system and architecture, the variant when one was asked for. */
export function selectPlatform(index: ImageIndex, wanted: Platform, reference: string): Descriptor {
  const found = index.manifests.find(
    ({ platform }) =>
      platform?.os === wanted.os &&
      platform.architecture === wanted.architecture &&
      (wanted.variant === undefined || platform.variant === wanted.variant),
  );
  if (found !== undefined) return found;
  const name = [wanted.os, wanted.architecture, wanted.variant].filter(Boolean).join("/");
  throw notFound(`no matching manifest for ${name} in the manifest list entries of ${reference}`);
}

function indexEntry(value: unknown): ImageIndex["manifests"][number] {
  const plain = descriptor(value);
  const { platform } = asObject(value);
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

import { RegistryError } from "../errors.ts";
import {
  type BlobDigest,
  type ManifestReference,
  parseDigest,
  parseManifestReference,
  parseRepositoryName,
} from "../names.ts";

/** What a request is about. */
export type Target =
  | { readonly kind: "health" | "metrics" | "base" | "catalog" | "search-ping" | "search" }
  | { readonly kind: "manifest"; readonly repository: string; readonly reference: ManifestReference }
  | { readonly kind: "blob"; readonly repository: string; readonly digest: BlobDigest }
  | { readonly kind: "uploads"; readonly repository: string }
  | { readonly kind: "upload"; readonly repository: string; readonly id: string }
  | { readonly kind: "tags"; readonly repository: string }
  | { readonly kind: "referrers"; readonly repository: string; readonly digest: BlobDigest };

export type TargetKind = Target["kind"];

const FIXED: Readonly<Record<string, Target>> = {
  "/health": { kind: "health" },
  "/metrics": { kind: "metrics" },
  "/v2": { kind: "base" },
  "/v2/": { kind: "base" },
  "/v2/_catalog": { kind: "catalog" },
  "/v1/_ping": { kind: "search-ping" },
  "/v1/search": { kind: "search" },
};

/**
 * Take a request's path apart. A name may itself have parts called "blobs" or "tags", so paths are read from their end.
 * Throws NAME_INVALID, DIGEST_INVALID, TAG_INVALID; undefined is no path of ours.
 */
export function parseTarget(rawPath: string): Target | undefined {
  if (Object.hasOwn(FIXED, rawPath)) return FIXED[rawPath];
  if (!rawPath.startsWith("/v2/")) return undefined;
  const path = decode(rawPath.slice("/v2/".length));
  const [, uploadRepository, id] = /^(.+)\/blobs\/uploads(?:\/([^/]*))?$/.exec(path) ?? [];
  if (uploadRepository !== undefined) {
    const repository = parseRepositoryName(uploadRepository);
    return id === undefined || id === ""
      ? { kind: "uploads", repository }
      : { kind: "upload", repository, id };
  }
  const [, name = "", noun, last = ""] = /^(.+)\/(manifests|blobs|tags|referrers)\/([^/]+)$/.exec(path) ?? [];
  if (noun === undefined || (noun === "tags" && last !== "list")) return undefined;
  const repository = parseRepositoryName(name);
  switch (noun) {
    case "manifests":
      return { kind: "manifest", repository, reference: parseManifestReference(last) };
    case "blobs":
      return { kind: "blob", repository, digest: parseDigest(last) };
    case "referrers":
      return { kind: "referrers", repository, digest: parseDigest(last) };
    default:
      return { kind: "tags", repository };
  }
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new RegistryError("NAME_INVALID", "the path is not well encoded", { cause });
  }
}

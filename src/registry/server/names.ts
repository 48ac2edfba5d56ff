import { createHash, type Hash } from "node:crypto";
import { RegistryError } from "./errors.ts";

/** The hash functions that the spec registers (OCI image-spec, descriptor.md). */
export type Algorithm = "sha256" | "sha512";

/** "sha256:" and 64 hexadecimal digits, or "sha512:" and 128. */
export type BlobDigest = `${Algorithm}:${string}`;

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** What clients hold a name to, host included; the host is theirs to count. */
const MAX_NAME = 255;

export const isDigest = (text: string): text is BlobDigest => DIGEST.test(text);

/** Digests become parts of paths, so nothing else may pass. Throws DIGEST_INVALID. */
export function parseDigest(text: string): BlobDigest {
  if (!isDigest(text)) {
    throw new RegistryError("DIGEST_INVALID", "provided digest is not a sha256 or sha512 digest", {
      detail: { digest: text.slice(0, 200) },
    });
  }
  return text;
}

/** Throws DIGEST_INVALID for a function that is not spoken here. */
export function parseAlgorithm(text: string): Algorithm {
  if (text === "sha256" || text === "sha512") return text;
  throw new RegistryError(
    "DIGEST_INVALID",
    `digest algorithm ${JSON.stringify(text.slice(0, 50))} is not supported`,
  );
}

export const algorithmOf = (digest: BlobDigest): Algorithm =>
  digest.startsWith("sha512:") ? "sha512" : "sha256";

export const hexOf = (digest: BlobDigest): string => digest.slice("sha256:".length);

export const newHash = (algorithm: Algorithm): Hash => createHash(algorithm);

export const digestOf = (bytes: Uint8Array, algorithm: Algorithm): BlobDigest =>
  `${algorithm}:${newHash(algorithm).update(bytes).digest("hex")}`;

/** Throws NAME_INVALID. The grammar has no "..", no empty part and no upper case. */
export function parseRepositoryName(text: string): string {
  if (text.length > MAX_NAME || !NAME.test(text)) {
    throw new RegistryError("NAME_INVALID", "invalid repository name", {
      detail: { name: text.slice(0, 300) },
    });
  }
  return text;
}

/** Throws TAG_INVALID. */
export function parseTag(text: string): string {
  if (TAG.test(text)) return text;
  throw new RegistryError("TAG_INVALID", "invalid tag name", { detail: { tag: text.slice(0, 200) } });
}

/** What a manifest is asked for by. */
export type ManifestReference = { readonly tag: string } | { readonly digest: BlobDigest };

/** A tag cannot hold a colon and a digest must. Throws TAG_INVALID or DIGEST_INVALID. */
export function parseManifestReference(text: string): ManifestReference {
  return text.includes(":") ? { digest: parseDigest(text) } : { tag: parseTag(text) };
}

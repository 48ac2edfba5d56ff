import { RegistryError } from "../errors.ts";
import type { BlobDigest } from "../names.ts";

export const unknownBlob = (digest: BlobDigest) =>
  new RegistryError("BLOB_UNKNOWN", "blob unknown to registry", { detail: { digest } });

/** Content under its digest never changes, so whoever has it needs to ask no more. */
export const blobHeaders = (digest: BlobDigest) => ({
  "Docker-Content-Digest": digest,
  ETag: `"${digest}"`,
  "Cache-Control": "max-age=31536000, immutable",
  "Content-Type": "application/octet-stream",
  "Accept-Ranges": "bytes",
});

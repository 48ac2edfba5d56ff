import { createHash } from "node:crypto";
import { invalid } from "../errors/index.ts";

/** "sha256:" and 64 hexadecimal digits (OCI image-spec, descriptor.md). The only algorithm the store keeps. */
export type Digest = `sha256:${string}`;

const PATTERN = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return PATTERN.test(text);
}

/** Parse what an archive or a registry claims. Throws invalid "invalid digest …"; a digest becomes part of a path, so nothing else may pass. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text))
    throw invalid(`invalid digest "${text.slice(0, 100)}": want sha256 and 64 hexadecimal digits`);
  return text;
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

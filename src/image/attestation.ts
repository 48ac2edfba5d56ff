import type { Digest } from "../content/index.ts";

/** What is said of an image by one manifest: in the form of BuildKit, an artifact that has the image as its subject. */
export interface Attestation {
  readonly manifest: Digest;
  readonly manifestBytes: number;
  /** Config and statements. */
  readonly blobs: readonly Digest[];
}

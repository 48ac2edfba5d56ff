import type { Readable } from "node:stream";
import type { Digest } from "./digest.ts";

/**
 * Content: blobs named by the digest of their bytes, in the folder layout of the OCI image-spec
 * (image-layout.md: ROOT/blobs/sha256/HEX). A blob is there whole or not at all; it never changes. Nothing here waits
 * for the disk: what a failure of power may have torn is for the holder of the blobs to know and to check.
 */
export interface ContentStore {
  /** undefined when the blob is not here. */
  find(digest: Digest): Promise<Blob | undefined>;
  /** The bytes as a stream, which the caller reads to its end or destroys. Throws not-found. */
  open(digest: Digest): Promise<Readable>;
  /** The bytes of a small blob (a config, a manifest). Throws not-found, or invalid when it is longer than `limitBytes`. */
  read(digest: Digest, limitBytes: number): Promise<Buffer>;
  /** Begin a new blob. Dispose it in any case: without `commit` nothing is left. */
  begin(): Promise<Ingest>;
  /**
   * Go on with a blob of which an earlier attempt, also one before a restart, kept a part: `replay` what is there,
   * then `write` the rest. Disposed without `commit` it keeps what it has, unless that turned out to be wrong. One
   * holder at a time: others wait for it. Blobs that nobody holds are given in the order in which they were asked for.
   */
  resume(digest: Digest): Promise<ResumedIngest>;
  /** Blobs of which a part is kept. */
  partials(): Promise<Partial[]>;
  /** Remove the parts that nobody is going on with. Resolves with the bytes freed. */
  dropPartials(): Promise<number>;
  /** Keep these bytes. */
  put(bytes: Uint8Array): Promise<Blob>;
  /** Gone at once, before the first await, so that a check made just before still holds. No error when it is not here. */
  delete(digest: Digest): Promise<void>;
  list(): Promise<Blob[]>;
  /** Remove what a crash left half-written, and kept parts that nobody came back for in a week. Run at start. */
  sweep(): Promise<void>;
}

export interface Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The file; readable as long as the blob is not deleted. */
  readonly path: string;
}

/** What a blob must turn out to be. */
export interface Expectation {
  readonly digest?: Digest;
  readonly sizeBytes?: number;
}

/**
 * A blob on its way in: `write`… → `seal` → `commit`, then dispose. Between seal and commit the bytes are verified
 * and readable at `path`.
 */
export interface Ingest extends AsyncDisposable {
  /** The temporary file, for another program to write to; after `commit` the blob's own. */
  readonly path: string;
  /** Where this process can open the bytes until the ingest is disposed, also while `commit` renames the file. */
  readonly readPath: string;
  /** Takes the bytes over; they must not change afterwards. Resolves when more may come. */
  write(bytes: Uint8Array): Promise<void>;
  /** End of the bytes. Throws invalid when they are not what was expected. */
  seal(expected: Expectation): Promise<Blob>;
  /** Like `seal`, for bytes that another program wrote to `path` and hashed while it did. */
  sealWritten(digest: Digest, sizeBytes: number): Promise<Blob>;
  /** Give it its name. Repeating it does nothing. */
  commit(): Promise<Blob>;
}

/** A part of a blob, with what it takes on the disk. */
export interface Partial {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

export interface ResumedIngest extends Ingest {
  /** Bytes that are there already. */
  readonly keptBytes: number;
  /** Those bytes, which count as written once they have been read. Call before the first `write`. */
  replay(): AsyncIterable<Uint8Array>;
  /** Do not keep what is written when it is disposed. */
  forget(): void;
}

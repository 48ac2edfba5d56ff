import type { Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { type Algorithm, algorithmOf, type BlobDigest, newHash } from "../names.ts";

/** Bytes gathered before one writev(2). */
const BATCH_BYTES = 1 << 20;

/** The bytes of one upload: a file that grows at its end, and the hash of what it holds so far. */
export class UploadFile {
  readonly path: string;
  readonly #algorithm: Algorithm;
  #sizeBytes: number;
  /** Of exactly the first `sizeBytes`; undefined when that is not known and the file has to be read again. */
  #hash: Hash | undefined;

  /** `sizeBytes`: what the file holds already; 0 when it is still to be made. */
  constructor(path: string, algorithm: Algorithm, sizeBytes: number) {
    this.path = path;
    this.#algorithm = algorithm;
    this.#sizeBytes = sizeBytes;
    this.#hash = sizeBytes === 0 ? newHash(algorithm) : undefined;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Append a stream, the next bytes gathered and hashed while the disk takes the ones before. `admit` is asked before
   * bytes are written and may throw. What was written when the stream or `admit` fails is kept, so a client can go on
   * from there; after a failure of the disk, what was there before the failing batch.
   */
  async append(
    body: AsyncIterable<Uint8Array>,
    admit: (bytes: number) => void,
    written?: (sizeBytes: number) => void,
  ): Promise<void> {
    await using file = await open(this.path, "a", 0o600);
    let batch: Uint8Array[] = [];
    let batchBytes = 0;
    let writing: Promise<void> = Promise.resolve();
    const flush = async () => {
      await writing;
      if (batchBytes === 0) return;
      admit(batchBytes);
      const taken = batch;
      batch = [];
      batchBytes = 0;
      writing = this.#write(file, taken).then(() => written?.(this.#sizeBytes));
      // The failure is met by the next flush; until then it must not count as unhandled.
      writing.catch(() => undefined);
    };
    try {
      for await (const chunk of body) {
        batch.push(chunk);
        batchBytes += chunk.byteLength;
        if (batchBytes >= BATCH_BYTES) await flush();
      }
    } finally {
      await flush();
      await writing;
    }
  }

  async #write(file: FileHandle, batch: readonly Uint8Array[]): Promise<void> {
    const before = this.#sizeBytes;
    try {
      // The file system's part runs in a thread of its own, so hashing here goes on beside it.
      const written = writeAll(file, batch);
      for (const bytes of batch) this.#hash?.update(bytes);
      this.#sizeBytes += await written;
    } catch (error) {
      this.#hash = undefined;
      this.#sizeBytes = before;
      await file.truncate(before);
      throw error;
    }
  }

  /** Cut back to an earlier size. */
  async truncate(sizeBytes: number): Promise<void> {
    if (sizeBytes === this.#sizeBytes) return;
    this.#hash = sizeBytes === 0 ? newHash(this.#algorithm) : undefined;
    await using file = await open(this.path, "r+");
    await file.truncate(sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  /** Bring the bytes to the disk. */
  async sync(): Promise<void> {
    await using file = await open(this.path, "a", 0o600);
    await file.datasync();
  }

  /** The digest of the bytes by the function that `wanted` names. */
  async digest(wanted: BlobDigest): Promise<BlobDigest> {
    const algorithm = algorithmOf(wanted);
    const hash =
      algorithm === this.#algorithm && this.#hash !== undefined
        ? this.#hash.copy()
        : await hashFile(this.path, algorithm);
    return `${algorithm}:${hash.digest("hex")}`;
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

async function hashFile(path: string, algorithm: Algorithm): Promise<Hash> {
  const hash = newHash(algorithm);
  for await (const chunk of createReadStream(path, { highWaterMark: BATCH_BYTES })) hash.update(chunk);
  return hash;
}

/** Gives the number of bytes, all of which are written. */
async function writeAll(file: FileHandle, batch: readonly Uint8Array[]): Promise<number> {
  const wanted = batch.reduce((sum, bytes) => sum + bytes.byteLength, 0);
  const { bytesWritten } = await file.writev([...batch]);
  if (bytesWritten === wanted) return wanted;
  // A short write is rare (a signal, a full disk); the rest then goes in one piece, and names the true error.
  const rest = Buffer.concat(batch).subarray(bytesWritten);
  for (let done = 0; done < rest.length; ) {
    done += (await file.write(rest, done, rest.length - done)).bytesWritten;
  }
  return wanted;
}

import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { internal, invalid } from "../errors/index.ts";
import { type Digest, isDigest } from "./digest.ts";
import type { Blob, Expectation, Ingest, ResumedIngest } from "./store.ts";

/** Bytes gathered before one writev(2): a stream of small chunks would otherwise pay a thread's round trip for each. */
const BATCH_BYTES = 1 << 20;

/** Start a blob in `temporary`; `finalPath` tells where it goes once its digest is known. */
export async function beginIngest(temporary: string, finalPath: (digest: Digest) => string): Promise<Ingest> {
  const file = await open(temporary, "wx", 0o600);
  return new FileIngest(file, temporary, finalPath);
}

/** Go on with a blob in `temporary`, which keeps its bytes for the next attempt unless they turn out to be wrong. */
export async function resumeIngest(
  temporary: string,
  finalPath: (digest: Digest) => string,
  release: () => void,
): Promise<ResumedIngest> {
  try {
    const file = await open(temporary, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    const { size } = await file.stat();
    return new FileIngest(file, temporary, finalPath, { keptBytes: size, release });
  } catch (error) {
    release();
    throw error;
  }
}

class FileIngest implements ResumedIngest {
  readonly #hash = createHash("sha256");
  readonly #finalPath: (digest: Digest) => string;
  readonly #file: FileHandle;
  #path: string;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  #sizeBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #sealed: Blob | undefined;
  #committed: Promise<Blob> | undefined;
  #disposed = false;
  /** What is written stays for another attempt. */
  #keeps: boolean;
  readonly keptBytes: number;
  readonly #release: () => void;

  constructor(
    file: FileHandle,
    path: string,
    finalPath: (digest: Digest) => string,
    resumed?: { keptBytes: number; release: () => void },
  ) {
    this.#file = file;
    this.#path = path;
    this.#finalPath = finalPath;
    this.#keeps = resumed !== undefined;
    this.keptBytes = resumed?.keptBytes ?? 0;
    this.#release = resumed?.release ?? (() => undefined);
  }

  async *replay(): AsyncGenerator<Uint8Array> {
    if (this.#sizeBytes > 0) throw internal("kept bytes were replayed after the first write");
    while (this.#sizeBytes < this.keptBytes) {
      const bytes = Buffer.allocUnsafe(Math.min(BATCH_BYTES, this.keptBytes - this.#sizeBytes));
      const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, this.#sizeBytes);
      if (bytesRead === 0) throw internal(`${this.#path} has become shorter`);
      const part = bytes.subarray(0, bytesRead);
      this.#hash.update(part);
      this.#sizeBytes += bytesRead;
      yield part;
    }
  }

  forget(): void {
    this.#keeps = false;
  }

  get path(): string {
    return this.#path;
  }

  get readPath(): string {
    return `/proc/self/fd/${this.#file.fd}`;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    this.#batch.push(bytes);
    this.#batchBytes += bytes.byteLength;
    this.#sizeBytes += bytes.byteLength;
    if (this.#batchBytes >= BATCH_BYTES) await this.#flush();
  }

  /** Hand the batch to the kernel while the next one is gathered; waits for the one before. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#batchBytes === 0) return;
    const batch = this.#batch;
    const wanted = this.#batchBytes;
    const position = this.#sizeBytes - wanted;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#writing = writeAll(this.#file, batch, wanted, position);
    // The failure is met by the next flush; until then it must not count as unhandled.
    this.#writing.catch(() => undefined);
  }

  async seal(expected: Expectation): Promise<Blob> {
    await this.#flush();
    await this.#writing;
    const keeps = this.#keeps;
    // Bytes that are all there and wrong must not be gone on with.
    this.#keeps = false;
    const hex: Digest = `sha256:${this.#hash.digest("hex")}`;
    if (expected.sizeBytes !== undefined && expected.sizeBytes !== this.#sizeBytes) {
      throw invalid(`content has ${this.#sizeBytes} bytes, but ${expected.sizeBytes} were announced`);
    }
    if (expected.digest !== undefined && expected.digest !== hex) {
      throw invalid(`content does not match its digest: expected ${expected.digest}, got ${hex}`);
    }
    this.#keeps = keeps;
    return this.#seal(hex, this.#sizeBytes);
  }

  async sealWritten(digest: Digest, sizeBytes: number): Promise<Blob> {
    const { size } = await this.#file.stat();
    if (size !== sizeBytes || !isDigest(digest)) {
      throw internal(`${this.#path} has ${size} bytes, but its writer reported ${sizeBytes}`);
    }
    return this.#seal(digest, sizeBytes);
  }

  #seal(digest: Digest, sizeBytes: number): Blob {
    this.#sealed = { digest, sizeBytes, path: this.#path };
    return this.#sealed;
  }

  commit(): Promise<Blob> {
    this.#committed ??= this.#commit();
    return this.#committed;
  }

  async #commit(): Promise<Blob> {
    if (this.#sealed === undefined) throw internal("a blob was committed before it was sealed");
    const path = this.#finalPath(this.#sealed.digest);
    await rename(this.#path, path);
    this.#path = path;
    return { ...this.#sealed, path };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    using _released = { [Symbol.dispose]: this.#release };
    if (this.#keeps) await this.#flush().catch(() => this.forget());
    const [written, committed] = await Promise.allSettled([this.#writing, this.#committed]);
    await this.#file.close();
    if (committed.status === "fulfilled" && committed.value !== undefined) return;
    const hasBytes = Math.max(this.#sizeBytes, this.keptBytes) > 0;
    if (this.#keeps && written.status === "fulfilled" && hasBytes) return;
    await rm(this.#path, { force: true });
  }
}

async function writeAll(
  file: FileHandle,
  batch: Uint8Array[],
  wanted: number,
  position: number,
): Promise<void> {
  const { bytesWritten } = await file.writev(batch, position);
  if (bytesWritten === wanted) return;
  // A short write is rare (a signal, a full disk); the rest then goes in one piece, and names the true error.
  const rest = Buffer.concat(batch).subarray(bytesWritten);
  for (let done = 0; done < rest.length; ) {
    done += (await file.write(rest, done, rest.length - done, position + bytesWritten + done)).bytesWritten;
  }
}

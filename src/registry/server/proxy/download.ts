import { type FileHandle, open } from "node:fs/promises";
import type { BlobDigest } from "../names.ts";
import type { Upload } from "../storage/uploads.ts";

/** A blob on its way from upstream to the storage, which any number of clients read meanwhile. */
export class Download {
  readonly sizeBytes: number;
  readonly #file: FileHandle;
  readonly #stop: AbortController;
  #readers = 0;
  #closed = false;
  #written = 0;
  #state: "arriving" | "verified" | { readonly failure: unknown } = "arriving";
  #changed = Promise.withResolvers<void>();

  private constructor(file: FileHandle, sizeBytes: number, stop: AbortController) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
    this.#stop = stop;
  }

  /** Begin. `stop` is aborted when the last reader leaves early. Takes the upload over. */
  static async start(
    upload: Upload,
    digest: BlobDigest,
    sizeBytes: number,
    body: AsyncIterable<Uint8Array>,
    stop: AbortController,
  ): Promise<{ download: Download; done: Promise<void> }> {
    const download = new Download(await open(upload.path, "a+", 0o600), sizeBytes, stop);
    return { download, done: download.#run(upload, digest, body) };
  }

  async #run(upload: Upload, digest: BlobDigest, body: AsyncIterable<Uint8Array>): Promise<void> {
    using _ = upload;
    try {
      await upload.append(body, (sizeBytes) => {
        this.#written = sizeBytes;
        this.#tell();
      });
      await upload.finish(digest);
      this.#state = "verified";
    } catch (failure) {
      this.#state = { failure };
      await upload.cancel();
    } finally {
      this.#tell();
      await this.#closeUnread();
    }
  }

  #tell(): void {
    const told = this.#changed;
    this.#changed = Promise.withResolvers();
    told.resolve();
  }

  async #closeUnread(): Promise<void> {
    if (this.#readers > 0) return;
    if (this.#state === "arriving") {
      this.#stop.abort();
    } else if (!this.#closed) {
      this.#closed = true;
      await this.#file.close();
    }
  }

  /** Become a reader, who must call `read` and go through it or end it. False when the download is over; throws its failure. */
  attach(): boolean {
    if (typeof this.#state === "object") throw this.#state.failure;
    if (this.#closed) return false;
    this.#readers++;
    return true;
  }

  /**
   * For one who is attached: the bytes in order as they arrive, in pieces of the buffer, which is used again for the
   * next one. The last byte is given only when the digest of the whole is right, so nobody ever gets a complete body
   * that is wrong.
   */
  async *read(buffer: Buffer): AsyncGenerator<Buffer> {
    try {
      for (let at = 0; at < this.sizeBytes; ) {
        const readable =
          this.#state === "verified" ? this.sizeBytes : Math.min(this.#written, this.sizeBytes - 1);
        if (at >= readable) {
          if (typeof this.#state === "object") throw this.#state.failure;
          await this.#changed.promise;
          continue;
        }
        const { bytesRead } = await this.#file.read(buffer, 0, Math.min(buffer.length, readable - at), at);
        if (bytesRead === 0) throw new Error("the download's file is shorter than was written");
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      this.#readers--;
      await this.#closeUnread();
    }
  }
}

import { createReadStream, renameSync, rmSync } from "node:fs";
import { mkdir, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { errnoOf, invalid, notFound } from "../errors/index.ts";
import { keyedMutex } from "../platform/index.ts";
import { type Digest, digestOf, isDigest } from "./digest.ts";
import { beginIngest, resumeIngest } from "./ingest.ts";
import type { Blob, ContentStore, Partial, ResumedIngest } from "./store.ts";

/** Name of a kept part of a blob; the others in its folder are one process's own. */
const PARTIAL = /^partial-([0-9a-f]{64})$/;
const PARTIAL_LIFETIME_MS = 7 * 24 * 3600 * 1000;

/**
 * Open (or make) a content store: ROOT/blobs/sha256/HEX for blobs, ROOT/ingest/N for those on their way in,
 * ROOT/ingest/partial-HEX for parts that are kept.
 * Both lie on one file system, as rename(2) demands.
 */
export async function openContentStore(root: string): Promise<ContentStore> {
  const blobs = join(root, "blobs", "sha256");
  const ingests = join(root, "ingest");
  await mkdir(blobs, { recursive: true, mode: 0o711 });
  await mkdir(ingests, { recursive: true, mode: 0o700 });
  await writeFile(join(root, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return new FolderStore(blobs, ingests);
}

class FolderStore implements ContentStore {
  readonly #blobs: string;
  readonly #ingests: string;
  #nextIngest = 1;
  readonly #resumed = keyedMutex();
  /** Files are opened one after the other, so that who asks first goes on first. */
  #opening: Promise<unknown> = Promise.resolve();
  /** Digests that somebody is going on with, or waits to. */
  readonly #inUse = new Map<string, number>();

  constructor(blobs: string, ingests: string) {
    this.#blobs = blobs;
    this.#ingests = ingests;
  }

  #path(digest: Digest): string {
    if (!isDigest(digest)) throw invalid(`invalid digest "${digest}"`);
    return join(this.#blobs, digest.slice("sha256:".length));
  }

  async find(digest: Digest): Promise<Blob | undefined> {
    const path = this.#path(digest);
    try {
      return { digest, sizeBytes: (await stat(path)).size, path };
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async #mustFind(digest: Digest): Promise<Blob> {
    const blob = await this.find(digest);
    if (blob === undefined) throw notFound(`content ${digest} is not here`);
    return blob;
  }

  async open(digest: Digest): Promise<Readable> {
    const blob = await this.#mustFind(digest);
    return createReadStream(blob.path, { highWaterMark: 1 << 18 });
  }

  async read(digest: Digest, limitBytes: number): Promise<Buffer> {
    const blob = await this.#mustFind(digest);
    if (blob.sizeBytes > limitBytes) throw invalid(`content ${digest} has over ${limitBytes} bytes`);
    await using file = await open(blob.path);
    return await file.readFile();
  }

  async begin() {
    const name = `${process.pid}-${this.#nextIngest++}`;
    return beginIngest(join(this.#ingests, name), (digest) => this.#path(digest));
  }

  async resume(digest: Digest): Promise<ResumedIngest> {
    const path = join(this.#ingests, `partial-${this.#path(digest).slice(-64)}`);
    this.#inUse.set(digest, (this.#inUse.get(digest) ?? 0) + 1);
    const lock = await this.#resumed.acquire(digest);
    const release = () => {
      const users = (this.#inUse.get(digest) ?? 1) - 1;
      if (users === 0) this.#inUse.delete(digest);
      else this.#inUse.set(digest, users);
      lock[Symbol.dispose]();
    };
    const opened = this.#opening.then(() => resumeIngest(path, (final) => this.#path(final), release));
    this.#opening = opened.catch(() => undefined);
    return opened;
  }

  async partials(): Promise<Partial[]> {
    const partials: Partial[] = [];
    for (const name of await readdir(this.#ingests)) {
      const digest = `sha256:${PARTIAL.exec(name)?.[1]}`;
      if (!isDigest(digest)) continue;
      const { size } = await stat(join(this.#ingests, name)).catch(() => ({ size: 0 }));
      partials.push({ digest, sizeBytes: size });
    }
    return partials;
  }

  async dropPartials(): Promise<number> {
    let freed = 0;
    for (const { digest, sizeBytes } of await this.partials()) {
      if (this.#inUse.has(digest)) continue;
      rmSync(join(this.#ingests, `partial-${digest.slice(-64)}`), { force: true });
      freed += sizeBytes;
    }
    return freed;
  }

  async put(bytes: Uint8Array): Promise<Blob> {
    const present = await this.find(digestOf(bytes));
    if (present !== undefined) return present;
    await using ingest = await this.begin();
    await ingest.write(bytes);
    await ingest.seal({});
    return await ingest.commit();
  }

  async delete(digest: Digest): Promise<void> {
    const trash = join(this.#ingests, `${process.pid}-${this.#nextIngest++}`);
    try {
      renameSync(this.#path(digest), trash);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw error;
    }
    await rm(trash, { force: true });
  }

  async list(): Promise<Blob[]> {
    const digests = (await readdir(this.#blobs)).map((name) => `sha256:${name}`).filter(isDigest);
    const blobs = await Promise.all(digests.map((digest) => this.find(digest)));
    return blobs.filter((blob) => blob !== undefined);
  }

  async sweep(): Promise<void> {
    for (const name of await readdir(this.#ingests)) {
      const path = join(this.#ingests, name);
      if (PARTIAL.test(name) && (await stat(path)).mtimeMs > Date.now() - PARTIAL_LIFETIME_MS) continue;
      await rm(path, { force: true });
    }
  }
}

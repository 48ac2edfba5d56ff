import { createReadStream, renameSync } from "node:fs";
import { mkdir, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { errnoOf, invalid, notFound } from "../errors/index.ts";
import { type Digest, digestOf, isDigest } from "./digest.ts";
import { beginIngest } from "./ingest.ts";
import type { Blob, ContentStore } from "./store.ts";

/**
 * Open (or make) a content store: ROOT/blobs/sha256/HEX for blobs, ROOT/ingest/N for those on their way in.
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
    for (const name of await readdir(this.#ingests)) await rm(join(this.#ingests, name), { force: true });
  }
}

import { unlinkSync } from "node:fs";
import { mkdir, open, opendir, rename } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../../errors/index.ts";
import { type Algorithm, algorithmOf, type BlobDigest, hexOf, isDigest } from "../names.ts";

const ALGORITHMS: readonly Algorithm[] = ["sha256", "sha512"];

/** The files of blobs in the folder layout of the OCI image-spec (image-layout.md): ROOT/ALGORITHM/HEX. Which of them count is told by the rows. */
export class BlobFiles {
  readonly root: string;

  readonly #syncing = new Map<Algorithm, Promise<void>>();
  readonly #waiting = new Map<Algorithm, Promise<void>>();

  private constructor(root: string) {
    this.root = root;
  }

  static async open(root: string): Promise<BlobFiles> {
    for (const algorithm of ALGORITHMS) {
      await mkdir(join(root, algorithm), { recursive: true, mode: 0o700 });
    }
    return new BlobFiles(root);
  }

  path(digest: BlobDigest): string {
    return join(this.root, algorithmOf(digest), hexOf(digest));
  }

  /** Give a file that is safe on the disk its name as a blob, and bring that to the disk as well. */
  async adopt(file: string, digest: BlobDigest): Promise<void> {
    await rename(file, this.path(digest));
    await this.#syncFolder(algorithmOf(digest));
  }

  /** One fsync(2) at a time for a folder; all who come while it runs share the one after it. */
  #syncFolder(algorithm: Algorithm): Promise<void> {
    const waiting = this.#waiting.get(algorithm);
    if (waiting !== undefined) return waiting;
    const next = (this.#syncing.get(algorithm) ?? Promise.resolve()).then(async () => {
      this.#waiting.delete(algorithm);
      const syncing = sync(join(this.root, algorithm));
      this.#syncing.set(
        algorithm,
        syncing.catch(() => undefined),
      );
      await syncing;
    });
    this.#waiting.set(algorithm, next);
    return next;
  }

  /** Synchronous, to be done under the database's write lock. No error when it is not there. */
  remove(digest: BlobDigest): void {
    try {
      unlinkSync(this.path(digest));
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }

  /** Digests of all files, in no order. */
  async *list(): AsyncGenerator<BlobDigest> {
    for (const algorithm of ALGORITHMS) {
      for await (const { name } of await opendir(join(this.root, algorithm))) {
        const digest = `${algorithm}:${name}`;
        if (isDigest(digest)) yield digest;
      }
    }
  }
}

async function sync(path: string): Promise<void> {
  await using folder = await open(path);
  await folder.sync();
}

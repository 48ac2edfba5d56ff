import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../../errors/index.ts";
import { keyedMutex } from "../../../platform/index.ts";
import type { Store } from "../../../store/index.ts";
import { RegistryError } from "../errors.ts";
import { type Algorithm, type BlobDigest, parseAlgorithm } from "../names.ts";
import type { BlobFiles } from "./blob-files.ts";
import type { BlobTable } from "./blob-table.ts";
import type { Quota } from "./quota.ts";
import type { RepositoryTable } from "./repository-table.ts";
import { UploadFile } from "./upload-file.ts";

export interface UploadParts {
  readonly store: Store;
  readonly blobs: BlobTable;
  readonly files: BlobFiles;
  readonly repositories: RepositoryTable;
  readonly quota: Quota;
  /** How many may be open at once. */
  readonly limit: number;
}

/** One upload while a request works on it; nobody else does meanwhile. */
export interface Upload extends Disposable {
  readonly id: string;
  /** The file, until it is finished or cancelled. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Append; what arrived before a failure stays. `written` is told how many bytes are in the file. Throws DENIED when the quota is used up. */
  append(body: AsyncIterable<Uint8Array>, written?: (sizeBytes: number) => void): Promise<void>;
  /** Forget bytes behind this size. */
  truncate(sizeBytes: number): Promise<void>;
  /**
   * Make it a blob of the repository: on the disk, under its name, with its rows. Throws DIGEST_INVALID when the bytes
   * are others, and the upload is then gone.
   */
  finish(digest: BlobDigest): Promise<void>;
  cancel(): Promise<void>;
}

interface Session {
  readonly repository: string;
  readonly file: UploadFile;
  touchedAt: number;
}

/** Uploads under way: ROOT/ID for the bytes, a row for the rest, so that they outlive the server. */
export class Uploads {
  readonly #folder: string;
  readonly #parts: UploadParts;
  readonly #sessions = new Map<string, Session>();
  readonly #busy = keyedMutex();
  readonly #inUse = new Map<string, number>();
  readonly #arriving = keyedMutex();

  private constructor(folder: string, parts: UploadParts) {
    this.#folder = folder;
    this.#parts = parts;
  }

  /** Take up the uploads of an earlier server. */
  static async open(folder: string, parts: UploadParts): Promise<Uploads> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const uploads = new Uploads(folder, parts);
    const rows = parts.store.database
      .prepare("SELECT id, repository, algorithm, touched_at FROM upload")
      .all();
    for (const row of rows) {
      const id = String(row.id);
      const sizeBytes = await sizeOf(join(folder, id));
      parts.quota.growUploads(sizeBytes);
      uploads.#sessions.set(id, {
        repository: String(row.repository),
        file: new UploadFile(join(folder, id), parseAlgorithm(String(row.algorithm)), sizeBytes),
        touchedAt: Number(row.touched_at),
      });
    }
    for (const name of await readdir(folder)) {
      if (!uploads.#sessions.has(name)) await rm(join(folder, name), { force: true });
    }
    return uploads;
  }

  /** How many are open. */
  get count(): number {
    return this.#sessions.size;
  }

  /** Begin one. `algorithm` is the hash to compute while bytes arrive. Gives its id. Throws TOOMANYREQUESTS. */
  begin(repository: string, algorithm: Algorithm): string {
    if (this.#sessions.size >= this.#parts.limit) {
      throw new RegistryError(
        "TOOMANYREQUESTS",
        `${this.#parts.limit} uploads are open; finish or cancel some`,
      );
    }
    const id = randomUUID();
    const touchedAt = Date.now();
    this.#parts.store.database
      .prepare("INSERT INTO upload (id, repository, algorithm, touched_at) VALUES (?, ?, ?, ?)")
      .run(id, repository, algorithm, touchedAt);
    const file = new UploadFile(join(this.#folder, id), algorithm, 0);
    this.#sessions.set(id, { repository, file, touchedAt });
    return id;
  }

  /** Bytes that an upload has now. Throws BLOB_UPLOAD_UNKNOWN. */
  sizeOf(repository: string, id: string): number {
    return this.#session(repository, id).file.sizeBytes;
  }

  /** Wait until no other request works on the upload, and take it. Throws BLOB_UPLOAD_UNKNOWN. */
  async take(repository: string, id: string): Promise<Upload> {
    this.#session(repository, id);
    const lock = await this.#busy.acquire(id);
    try {
      const session = this.#session(repository, id);
      this.#inUse.set(id, 1);
      return this.#upload(id, session, lock);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  #upload(id: string, session: Session, lock: Disposable): Upload {
    const { file } = session;
    const { quota } = this.#parts;
    const resized = async (work: () => Promise<void>) => {
      const before = file.sizeBytes;
      try {
        await work();
      } finally {
        quota.growUploads(file.sizeBytes - before);
      }
    };
    return {
      id,
      path: file.path,
      get sizeBytes() {
        return file.sizeBytes;
      },
      append: (body, written) =>
        resized(async () => {
          const before = file.sizeBytes;
          await file.append(body, (bytes) => quota.check(file.sizeBytes - before + bytes), written);
        }),
      truncate: (sizeBytes) => resized(() => file.truncate(sizeBytes)),
      finish: (digest) => this.#finish(id, session, digest),
      cancel: () => this.#forget(id, session),
      [Symbol.dispose]: () => {
        this.#inUse.delete(id);
        this.#touch(id, session);
        lock[Symbol.dispose]();
      },
    };
  }

  #touch(id: string, session: Session): void {
    if (!this.#sessions.has(id)) return;
    session.touchedAt = Date.now();
    this.#parts.store.database
      .prepare("UPDATE upload SET touched_at = ? WHERE id = ?")
      .run(session.touchedAt, id);
  }

  async #finish(id: string, session: Session, digest: BlobDigest): Promise<void> {
    const { file, repository } = session;
    const found = await file.digest(digest);
    if (found !== digest) {
      await this.#forget(id, session);
      throw new RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content", {
        detail: { expected: digest, received: found },
      });
    }
    const { store, blobs, files, repositories } = this.#parts;
    using _ = await this.#arriving.acquire(digest);
    // From here on the row keeps the file from being taken for garbage; see the migrations.
    const isNew = store.transaction(() => {
      const known = blobs.sizeOf(digest) !== undefined;
      if (!known) blobs.announce(digest, file.sizeBytes);
      else blobs.link(repositories.ensure(repository), digest);
      return !known;
    });
    if (isNew) {
      await file.sync();
      await files.adopt(file.path, digest);
      store.transaction(() => {
        blobs.confirm(digest);
        blobs.link(repositories.ensure(repository), digest);
      });
    }
    await this.#forget(id, session);
  }

  async #forget(id: string, { file }: Session): Promise<void> {
    if (!this.#sessions.delete(id)) return;
    this.#parts.quota.growUploads(-file.sizeBytes);
    this.#parts.store.database.prepare("DELETE FROM upload WHERE id = ?").run(id);
    await file.remove();
  }

  /** Cancel the uploads that nobody has worked on after `before`. Gives how many. */
  async expire(before: number): Promise<number> {
    const old = [...this.#sessions].filter(
      ([id, session]) => session.touchedAt <= before && !this.#inUse.has(id),
    );
    for (const [id, session] of old) await this.#forget(id, session);
    return old.length;
  }

  #session(repository: string, id: string): Session {
    const session = this.#sessions.get(id);
    if (session === undefined || session.repository !== repository) {
      throw new RegistryError("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    }
    return session;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return 0;
    throw error;
  }
}

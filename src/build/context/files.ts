import { createHash } from "node:crypto";
import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, invalid } from "../../errors/index.ts";
import { randomHex } from "../../platform/index.ts";
import type { Store } from "../../store/index.ts";

/** What of a file is its inode's: contexts whose files agree in these share them. */
export interface FileVariant {
  /** 64 hexadecimal digits of the content's SHA-256. */
  readonly digest: string;
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** The files of one client's context, as far as they are kept. */
export interface ContextRecord {
  readonly name: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  readonly useCount: number;
}

const ZEROS = Buffer.alloc(1 << 20);

/** What a context has not had for so long is not kept for it. */
const KEPT_MS = 24 * 3600 * 1000;

/**
 * Files of contexts that clients sent, by the digest of their content, so that the next build is sent only what changed:
 * FOLDER/DIGEST/MODE-MTIME. A build's context has hard links of them, so that whatever is removed here stays there.
 */
export class ContextFiles {
  readonly #store: Store;
  readonly #folder: string;

  constructor(store: Store, folder: string) {
    this.#store = store;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder)) if (name.startsWith("part-")) rmSync(join(folder, name));
  }

  /** Put the file at `target`; false when its content is not here. A file that another of the same context shares is copied. */
  place(variant: FileVariant, target: Buffer, isShared: boolean): boolean {
    const own = this.#path(variant);
    if (!isShared && tryLink(own, target)) return true;
    let others: string[];
    try {
      others = readdirSync(join(this.#folder, variant.digest));
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw error;
    }
    const [other] = others;
    if (other === undefined) return false;
    copyFileSync(join(this.#folder, variant.digest, other), target, constants.COPYFILE_FICLONE);
    dress(target, variant);
    if (!isShared) keepLink(target, own);
    return true;
  }

  /** Take in a file's content, whatever it claims to be. Throws invalid when it is not that. */
  async add(variant: FileVariant, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const part = join(this.#folder, `part-${randomHex(8)}`);
    try {
      const hash = createHash("sha256");
      {
        await using file = await open(part, "wx", 0o600);
        let length = 0;
        for await (const chunk of chunks) {
          hash.update(chunk);
          await writeSparse(file, chunk, length);
          length += chunk.length;
        }
        await file.truncate(length);
      }
      const digest = hash.digest("hex");
      if (digest !== variant.digest)
        throw invalid(
          `a file of the build context changed while it was sent: it has ${digest}, not ${variant.digest}`,
        );
      dress(Buffer.from(part), variant);
      mkdirSync(join(this.#folder, digest), { recursive: true });
      renameSync(part, this.#path(variant));
    } finally {
      rmSync(part, { force: true });
    }
  }

  #path({ digest, mode, mtime }: FileVariant): string {
    return join(this.#folder, digest, `${mode.toString(8)}-${mtime}`);
  }

  /** Note that a context has these files now, and let go of what it has not had for a day. */
  use(context: string, files: ReadonlyMap<string, number>): void {
    const { database } = this.#store;
    const now = Date.now();
    this.#store.transaction(() => {
      const upsert = database.prepare(
        `INSERT INTO build_context_file (digest, context, size_bytes, used_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (digest) DO UPDATE SET context = ?2, used_at = ?4`,
      );
      for (const [digest, sizeBytes] of files) upsert.run(digest, context, sizeBytes, now);
      database
        .prepare(
          `INSERT INTO build_context (name, created_at, used_at, use_count) VALUES (?1, ?2, ?2, 1)
           ON CONFLICT (name) DO UPDATE SET used_at = ?2, use_count = use_count + 1`,
        )
        .run(context, now);
    });
    this.#remove("context = ? AND used_at < ?", context, now - KEPT_MS);
  }

  list(): ContextRecord[] {
    return this.#store.database
      .prepare(
        `SELECT name, created_at, build_context.used_at, use_count,
           (SELECT coalesce(sum(size_bytes), 0) FROM build_context_file WHERE context = name) AS size_bytes
         FROM build_context ORDER BY build_context.used_at, name`,
      )
      .all()
      .map((row) => ({
        name: String(row.name),
        sizeBytes: Number(row.size_bytes),
        createdAtMs: Number(row.created_at),
        usedAtMs: Number(row.used_at),
        useCount: Number(row.use_count),
      }));
  }

  /** Forget a context and its files. */
  remove(context: string): void {
    this.#store.database.prepare("DELETE FROM build_context WHERE name = ?").run(context);
    this.#remove("context = ?", context);
  }

  /** Remove files of which no row tells: what a crash left. */
  sweep(): void {
    const find = this.#store.database.prepare("SELECT 1 AS found FROM build_context_file WHERE digest = ?");
    for (const digest of readdirSync(this.#folder)) {
      const row = find.get(digest);
      if (row === undefined || row === null) rmSync(join(this.#folder, digest), { recursive: true });
    }
  }

  #remove(condition: string, ...values: (string | number)[]): void {
    const { database } = this.#store;
    const rows = database.prepare(`SELECT digest FROM build_context_file WHERE ${condition}`).all(...values);
    if (rows.length === 0) return;
    this.#store.transaction(() => {
      database.prepare(`DELETE FROM build_context_file WHERE ${condition}`).run(...values);
    });
    for (const { digest } of rows)
      rmSync(join(this.#folder, String(digest)), { recursive: true, force: true });
  }
}

/** A chunk of nothing but zeros becomes a hole: a disk image has gigabytes of them. */
async function writeSparse(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  const isHole = chunk.length <= ZEROS.length && ZEROS.compare(chunk, 0, chunk.length, 0, chunk.length) === 0;
  if (isHole) return;
  for (let at = 0; at < chunk.length; )
    at += (await file.write(chunk, at, chunk.length - at, position + at)).bytesWritten;
}

function tryLink(from: string, to: Buffer): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    // EMLINK: one inode has only so many names; its content is copied then.
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EMLINK") return false;
    throw error;
  }
}

/** Another build may have kept the same at the same time. */
function keepLink(from: Buffer, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
}

function dress(path: Buffer, { mode, mtime }: FileVariant): void {
  chmodSync(path, mode);
  utimesSync(path, mtime, mtime);
}

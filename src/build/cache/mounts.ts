import { createHash } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { keyedMutex } from "../../platform/index.ts";
import type { Store } from "../../store/index.ts";

export type Sharing = "shared" | "private" | "locked";

export interface CacheMountRow {
  readonly id: string;
  readonly name: string;
  readonly folder: string;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  readonly useCount: number;
  readonly inUse: boolean;
}

/** A cache mount in use, until it is disposed. */
export interface OpenCacheMount extends Disposable {
  readonly folder: string;
  /** It was made now, and its first content may be put in. */
  readonly isNew: boolean;
}

/**
 * Folders of `RUN --mount=type=cache`. `shared`: all users at once have the same folder; `locked`: one after the other;
 * `private`: one that nobody has at the moment, a new one when there is none.
 */
export class CacheMounts {
  readonly #store: Store;
  readonly #root: string;
  readonly #locks = keyedMutex();
  /** Users by row id. */
  readonly #users = new Map<string, number>();
  #lastNumber: number;

  constructor(store: Store, root: string) {
    this.#store = store;
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o711 });
    const onDisk = readdirSync(root).map(Number).filter(Number.isSafeInteger);
    this.#lastNumber = Math.max(0, ...onDisk);
  }

  async open(
    name: string,
    sharing: Sharing,
    owner: { readonly mode: number; readonly uid: number; readonly gid: number },
  ): Promise<OpenCacheMount> {
    const held = sharing === "locked" ? await this.#locks.acquire(name) : undefined;
    const id = this.#rowFor(name, sharing);
    this.#users.set(id, (this.#users.get(id) ?? 0) + 1);
    const row = this.#store.database.prepare("SELECT number FROM build_cache_mount WHERE id = ?").get(id);
    const folder = join(this.#root, String(row?.number));
    const isNew = !existsSync(folder);
    if (isNew) {
      mkdirSync(folder, { mode: owner.mode });
      chmodSync(folder, owner.mode);
      chownSync(folder, owner.uid, owner.gid);
    }
    return {
      folder,
      isNew,
      [Symbol.dispose]: () => {
        this.#users.set(id, (this.#users.get(id) ?? 1) - 1);
        held?.[Symbol.dispose]();
      },
    };
  }

  /** The row of a name, or for private use of its copies the first that nobody has. */
  #rowFor(name: string, sharing: Sharing): string {
    for (let copy = 0; ; copy++) {
      const id = createHash("sha256").update(`${name}\0${copy}`).digest("hex").slice(0, 25);
      if (sharing === "private" && (this.#users.get(id) ?? 0) > 0) continue;
      const now = Date.now();
      this.#store.database
        .prepare(
          `INSERT INTO build_cache_mount (id, name, number, created_at, used_at, use_count) VALUES (?1, ?2, ?3, ?4, ?4, 1)
           ON CONFLICT (id) DO UPDATE SET used_at = ?4, use_count = use_count + 1`,
        )
        .run(id, name, ++this.#lastNumber, now);
      return id;
    }
  }

  list(): CacheMountRow[] {
    return this.#store.database
      .prepare("SELECT * FROM build_cache_mount ORDER BY used_at, rowid")
      .all()
      .map((row) => ({
        id: String(row.id),
        name: String(row.name),
        folder: join(this.#root, String(row.number)),
        createdAtMs: Number(row.created_at),
        usedAtMs: Number(row.used_at),
        useCount: Number(row.use_count),
        inUse: (this.#users.get(String(row.id)) ?? 0) > 0,
      }));
  }

  async remove(row: CacheMountRow): Promise<void> {
    if ((this.#users.get(row.id) ?? 0) > 0) return;
    this.#store.database.prepare("DELETE FROM build_cache_mount WHERE id = ?").run(row.id);
    await rm(row.folder, { recursive: true, force: true });
  }
}

import { type Digest, parseDigest } from "../../content/index.ts";
import type { Migration, Store } from "../../store/index.ts";

/** A step's result is found by the digest of everything that went into it; an unchanged tree has no layer of its own. */
export const buildMigrations: readonly Migration[] = [
  {
    id: "0200-build-cache",
    sql: `
      CREATE TABLE build_cache (
        key TEXT PRIMARY KEY,
        parent_chain_id TEXT,
        chain_id TEXT,
        diff_id TEXT,
        size_bytes INTEGER NOT NULL,
        description TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        use_count INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX build_cache_chain ON build_cache (chain_id);
      CREATE TABLE build_cache_mount (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        number INTEGER NOT NULL UNIQUE,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        use_count INTEGER NOT NULL
      ) STRICT;
    `,
  },
  {
    id: "0201-build-cache-origin",
    sql: "ALTER TABLE build_cache ADD COLUMN origin TEXT NOT NULL DEFAULT '';",
  },
  {
    id: "0202-build-context",
    sql: `
      CREATE TABLE build_context (
        name TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        use_count INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE build_context_file (
        digest TEXT PRIMARY KEY,
        context TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        used_at INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX build_context_file_context ON build_context_file (context);
    `,
  },
];

/** The layer that a step made. */
export interface CachedLayer {
  readonly diffId: Digest;
  readonly chainId: Digest;
  /** Bytes of its files. */
  readonly sizeBytes: number;
}

export interface CachedStep {
  readonly key: string;
  readonly parentChainId: Digest | undefined;
  /** undefined: the step changed no file. */
  readonly layer: CachedLayer | undefined;
  readonly description: string;
  /** The cache of another machine that it came from; "" for a result of this one. */
  readonly origin: string;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  readonly useCount: number;
}

/** The rows of cached steps. Their chains are mirrored in memory: garbage collection asks for them again and again. */
export class CacheTable {
  readonly #store: Store;
  readonly #chains = new Map<string, number>();

  constructor(store: Store) {
    this.#store = store;
    for (const { layer } of this.list()) this.#count(layer?.chainId, 1);
  }

  /** Chains that the cache relies on. */
  get chains(): ReadonlySet<string> {
    return new Set(this.#chains.keys());
  }

  hasChain(chainId: string): boolean {
    return this.#chains.has(chainId);
  }

  find(key: string): CachedStep | undefined {
    const row = this.#store.database.prepare("SELECT * FROM build_cache WHERE key = ?").get(key);
    return row === undefined || row === null ? undefined : stepOf(row);
  }

  list(): CachedStep[] {
    return this.#store.database
      .prepare("SELECT * FROM build_cache ORDER BY used_at, rowid")
      .all()
      .map(stepOf);
  }

  /** Keep a result under its key, in place of any earlier one. */
  put(
    key: string,
    parentChainId: Digest | undefined,
    layer: CachedLayer | undefined,
    description: string,
    now = Date.now(),
    origin = "",
  ): void {
    this.#store.transaction(() => {
      this.delete(key);
      this.#store.database
        .prepare(
          `INSERT INTO build_cache (key, parent_chain_id, chain_id, diff_id, size_bytes, description, created_at, used_at, use_count, origin)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
        )
        .run(
          key,
          parentChainId ?? null,
          layer?.chainId ?? null,
          layer?.diffId ?? null,
          layer?.sizeBytes ?? 0,
          description,
          now,
          Date.now(),
          origin,
        );
      this.#store.afterCommit(() => this.#count(layer?.chainId, 1));
    });
  }

  /** Whether results of other machines are kept. */
  get hasForeign(): boolean {
    const row = this.#store.database
      .prepare("SELECT EXISTS (SELECT 1 FROM build_cache WHERE origin <> '') AS found")
      .get();
    return Number(row?.found) === 1;
  }

  touch(keys: readonly string[]): void {
    const statement = this.#store.database.prepare(
      "UPDATE build_cache SET used_at = ?, use_count = use_count + 1 WHERE key = ?",
    );
    const now = Date.now();
    this.#store.transaction(() => {
      for (const key of keys) statement.run(now, key);
    });
  }

  delete(key: string): void {
    const known = this.find(key);
    if (known === undefined) return;
    this.#store.database.prepare("DELETE FROM build_cache WHERE key = ?").run(key);
    this.#store.afterCommit(() => this.#count(known.layer?.chainId, -1));
  }

  #count(chainId: string | undefined, by: 1 | -1): void {
    if (chainId === undefined) return;
    const count = (this.#chains.get(chainId) ?? 0) + by;
    if (count > 0) this.#chains.set(chainId, count);
    else this.#chains.delete(chainId);
  }
}

function stepOf(row: Record<string, unknown>): CachedStep {
  const digest = (value: unknown) => (typeof value === "string" ? parseDigest(value) : undefined);
  const [chainId, diffId] = [digest(row.chain_id), digest(row.diff_id)];
  return {
    key: String(row.key),
    parentChainId: digest(row.parent_chain_id),
    layer:
      chainId === undefined || diffId === undefined
        ? undefined
        : { chainId, diffId, sizeBytes: Number(row.size_bytes) },
    description: String(row.description),
    origin: String(row.origin),
    createdAtMs: Number(row.created_at),
    usedAtMs: Number(row.used_at),
    useCount: Number(row.use_count),
  };
}

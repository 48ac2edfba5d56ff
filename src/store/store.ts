import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { conflict } from "../errors/index.ts";

/**
 * One step of a table's history. Ids sort in the order in which they are applied, for ever: "0001-containers". A step
 * is never edited once it is on anybody's disk; a later one changes what it made.
 */
export interface Migration {
  readonly id: string;
  readonly sql: string;
}

/**
 * The engine's metadata: one SQLite database, one connection, synchronous. Each service owns its tables and passes
 * its migrations here; a change that spans services is one `transaction` around their calls.
 */
export interface Store extends Disposable {
  readonly database: DatabaseSync;
  /** Run `work` in one transaction (nested calls join the outer one); everything is rolled back when it throws. */
  transaction<T>(work: () => T): T;
  /** Run `change` once the current transaction is committed (at once when there is none); never when it is rolled back. For what memory mirrors. */
  afterCommit(change: () => void): void;
}

/**
 * Open (or make) the database file and bring its tables up to date.
 *
 * WAL with synchronous=NORMAL: a kill of the daemon at any instruction loses nothing; a power failure may lose the
 * last transactions but never tears one (sqlite.org/pragma.html#pragma_synchronous).
 *
 * Throws conflict when the file's tables have another history than `migrations`: it is of another build.
 */
export function openStore(file: string, migrations: readonly Migration[]): Store {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;");
  migrate(database, migrations);
  let depth = 0;
  let pending: (() => void)[] = [];
  return {
    database,
    transaction<T>(work: () => T): T {
      if (depth > 0) return work();
      database.exec("BEGIN IMMEDIATE");
      depth++;
      let result: T;
      try {
        result = work();
        database.exec("COMMIT");
      } catch (error) {
        pending = [];
        // A full disk makes SQLite roll back by itself (sqlite.org/lang_transaction.html, section 3).
        if (database.isTransaction) database.exec("ROLLBACK");
        throw error;
      } finally {
        depth--;
      }
      const changes = pending;
      pending = [];
      for (const change of changes) change();
      return result;
    },
    afterCommit(change) {
      if (depth > 0) pending.push(change);
      else change();
    },
    [Symbol.dispose]() {
      database.close();
    },
  };
}

function migrate(database: DatabaseSync, migrations: readonly Migration[]): void {
  database.exec(
    "CREATE TABLE IF NOT EXISTS migration (id TEXT PRIMARY KEY, applied_at TEXT NOT NULL, digest TEXT) STRICT",
  );
  const columns = database.prepare("SELECT name FROM pragma_table_info('migration')").all();
  if (!columns.some(({ name }) => name === "digest"))
    database.exec("ALTER TABLE migration ADD COLUMN digest TEXT");
  const applied = new Map(
    database
      .prepare("SELECT id, digest FROM migration")
      .all()
      .map((row) => [String(row.id), row.digest] as const),
  );
  for (const migration of [...migrations].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const digest = createHash("sha256").update(migration.sql).digest("hex");
    const known = applied.get(migration.id);
    if (typeof known === "string" && known !== digest) {
      throw conflict(
        `the database was made by another build of Gantry, which disagrees about the step ${migration.id}: use that build, or another --data-root`,
      );
    }
    if (applied.has(migration.id)) continue;
    database.exec("BEGIN IMMEDIATE");
    try {
      database.exec(migration.sql);
      database
        .prepare("INSERT INTO migration (id, applied_at, digest) VALUES (?, ?, ?)")
        .run(migration.id, new Date().toISOString(), digest);
      database.exec("COMMIT");
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  }
}

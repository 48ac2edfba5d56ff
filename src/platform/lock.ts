import { DatabaseSync } from "node:sqlite";
import { conflict } from "../errors/index.ts";

/** Databases of held locks: one that only the caller knew would be closed, and its lock lost, by garbage collection. */
const held = new Set<DatabaseSync>();

/**
 * Take an exclusive lock that the kernel releases when the process dies, however it dies: an SQLite file held in
 * exclusive mode, which is a POSIX record lock (sqlite.org/lockingv3.html). Throws conflict with `takenMessage` when
 * another process has it, SQLite's own error for a file that cannot be opened.
 */
export function lockDatabaseFile(file: string, takenMessage: string): Disposable {
  const database = new DatabaseSync(file);
  try {
    database.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;");
  } catch (cause) {
    database.close();
    if (isBusy(cause)) throw conflict(takenMessage, { cause });
    throw cause;
  }
  held.add(database);
  return {
    [Symbol.dispose]() {
      if (held.delete(database)) database.close();
    },
  };
}

/** SQLITE_BUSY (sqlite.org/rescode.html). */
const isBusy = (error: unknown) => error instanceof Error && "errcode" in error && error.errcode === 5;

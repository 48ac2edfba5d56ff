import { DatabaseSync } from "node:sqlite";
import { conflict } from "../errors/index.ts";

/**
 * Take an exclusive lock that the kernel releases when the process dies, however it dies: an SQLite file held in
 * exclusive mode, which is a POSIX record lock (sqlite.org/lockingv3.html). Throws conflict when another process has it.
 */
export function lockDatabaseFile(file: string, takenMessage: string): Disposable {
  const database = new DatabaseSync(file);
  try {
    database.exec("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;");
  } catch (cause) {
    database.close();
    throw conflict(takenMessage, { cause });
  }
  return { [Symbol.dispose]: () => database.close() };
}

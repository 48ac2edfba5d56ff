import type { Migration, Store } from "../store/index.ts";
import type { Volume } from "./service.ts";

export const migrations: readonly Migration[] = [
  { id: "0300-volume", sql: "CREATE TABLE volume (name TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT" },
];

/** Rows of volumes, mirrored in memory. */
export interface VolumeTable {
  get(name: string): Volume | undefined;
  list(): Volume[];
  insert(volume: Volume): void;
  delete(name: string): void;
}

export function createVolumeTable(store: Store): VolumeTable {
  const { database } = store;
  const volumes = new Map<string, Volume>();
  const insertRow = database.prepare("INSERT INTO volume (name, document) VALUES (?, ?)");
  const deleteRow = database.prepare("DELETE FROM volume WHERE name = ?");
  for (const row of database.prepare("SELECT name, document FROM volume").all()) {
    // The column holds what `insert` wrote, and nothing else.
    volumes.set(String(row.name), JSON.parse(String(row.document)) as Volume);
  }
  return {
    get: (name) => volumes.get(name),
    list: () => [...volumes.values()],
    insert(volume) {
      insertRow.run(volume.name, JSON.stringify(volume));
      store.afterCommit(() => volumes.set(volume.name, volume));
    },
    delete(name) {
      deleteRow.run(name);
      store.afterCommit(() => volumes.delete(name));
    },
  };
}

import type { Migration } from "../store/index.ts";

/** `number` names the folder, so that the lowerdir strings of long chains stay short. It is never used twice while in use. */
export const snapshotMigrations: readonly Migration[] = [
  {
    id: "0010-snapshots",
    sql: `
      CREATE TABLE snapshot_layer (
        chain_id TEXT PRIMARY KEY,
        number INTEGER NOT NULL UNIQUE,
        parent_chain_id TEXT REFERENCES snapshot_layer (chain_id),
        size_bytes INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX snapshot_layer_parent ON snapshot_layer (parent_chain_id);
      CREATE TABLE snapshot_active (
        id TEXT PRIMARY KEY,
        number INTEGER NOT NULL UNIQUE,
        parent_chain_id TEXT REFERENCES snapshot_layer (chain_id)
      ) STRICT;
      CREATE INDEX snapshot_active_parent ON snapshot_active (parent_chain_id);
    `,
  },
];

import type { Migration } from "../../../store/index.ts";

/**
 * Times are milliseconds since the epoch. A blob's row is written before its file gets its name ("arriving", 0) and
 * confirmed after it (1): whoever removes files asks the rows, so a file on its way in is safe. Manifests are small and
 * live in the database itself: one transaction makes manifest, references and tag.
 */
export const registryMigrations: readonly Migration[] = [
  {
    id: "0001-registry",
    sql: `
      CREATE TABLE blob (
        digest TEXT PRIMARY KEY,
        size_bytes INTEGER NOT NULL,
        present INTEGER NOT NULL,
        arrived_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE repository (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created_at INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE repository_blob (
        repository_id INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
        digest TEXT NOT NULL REFERENCES blob (digest),
        used_at INTEGER NOT NULL,
        PRIMARY KEY (repository_id, digest)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX repository_blob_digest ON repository_blob (digest);
      CREATE TABLE manifest (
        id INTEGER PRIMARY KEY,
        repository_id INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        media_type TEXT NOT NULL,
        artifact_type TEXT,
        subject TEXT,
        annotations TEXT,
        size_bytes INTEGER NOT NULL,
        pushed_at INTEGER NOT NULL,
        content BLOB NOT NULL,
        UNIQUE (repository_id, digest)
      ) STRICT;
      CREATE INDEX manifest_subject ON manifest (repository_id, subject) WHERE subject IS NOT NULL;
      CREATE TABLE manifest_reference (
        manifest_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        PRIMARY KEY (manifest_id, digest)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX manifest_reference_digest ON manifest_reference (digest);
      CREATE TABLE tag (
        repository_id INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        manifest_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
        moved_at INTEGER NOT NULL,
        PRIMARY KEY (repository_id, name)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX tag_manifest ON tag (manifest_id);
      CREATE TABLE upload (
        id TEXT PRIMARY KEY,
        repository TEXT NOT NULL,
        algorithm TEXT NOT NULL,
        touched_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE usage (
        blobs INTEGER NOT NULL,
        blob_bytes INTEGER NOT NULL,
        manifests INTEGER NOT NULL,
        manifest_bytes INTEGER NOT NULL
      ) STRICT;
      INSERT INTO usage VALUES (0, 0, 0, 0);
      CREATE TRIGGER blob_in AFTER INSERT ON blob BEGIN
        UPDATE usage SET blobs = blobs + 1, blob_bytes = blob_bytes + NEW.size_bytes;
      END;
      CREATE TRIGGER blob_out AFTER DELETE ON blob BEGIN
        UPDATE usage SET blobs = blobs - 1, blob_bytes = blob_bytes - OLD.size_bytes;
      END;
      CREATE TRIGGER manifest_in AFTER INSERT ON manifest BEGIN
        UPDATE usage SET manifests = manifests + 1, manifest_bytes = manifest_bytes + NEW.size_bytes;
      END;
      CREATE TRIGGER manifest_out AFTER DELETE ON manifest BEGIN
        UPDATE usage SET manifests = manifests - 1, manifest_bytes = manifest_bytes - OLD.size_bytes;
      END;
    `,
  },
  {
    id: "0002-proxy",
    sql: `
      CREATE TABLE upstream_tag (
        repository TEXT NOT NULL,
        name TEXT NOT NULL,
        checked_at INTEGER NOT NULL,
        PRIMARY KEY (repository, name)
      ) STRICT, WITHOUT ROWID;
    `,
  },
];

import type { Migration } from "../store/index.ts";

/**
 * An image's row holds its config as text, because inspect and list are answered from it alone. `image_name.name` is
 * the full name with tag ("docker.io/library/busybox:latest"), so a name belongs to one image at a time.
 */
export const imageMigrations: readonly Migration[] = [
  {
    id: "0020-images",
    sql: `
      CREATE TABLE image (
        id TEXT PRIMARY KEY,
        config TEXT NOT NULL,
        manifest_digest TEXT NOT NULL,
        chain_id TEXT,
        size_bytes INTEGER NOT NULL,
        tagged_at TEXT NOT NULL
      ) STRICT;
      CREATE TABLE image_layer (
        image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        diff_id TEXT NOT NULL,
        chain_id TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        blob_digest TEXT NOT NULL,
        blob_bytes INTEGER NOT NULL,
        media_type TEXT NOT NULL,
        PRIMARY KEY (image_id, position)
      ) STRICT;
      CREATE INDEX image_layer_chain ON image_layer (chain_id);
      CREATE INDEX image_layer_blob ON image_layer (blob_digest);
      CREATE INDEX image_manifest ON image (manifest_digest);
      CREATE TABLE image_name (
        name TEXT PRIMARY KEY,
        image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE
      ) STRICT;
      CREATE INDEX image_name_image ON image_name (image_id);
    `,
  },
  {
    // What registries call an image: NAME@DIGEST, of an index as well as of a manifest; where its blobs are known to be,
    // and what a pull that was cut off has and the next attempt wants.
    id: "0021-image-digests",
    sql: `
      CREATE TABLE image_digest (
        repository TEXT NOT NULL,
        digest TEXT NOT NULL,
        image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
        PRIMARY KEY (repository, digest)
      ) STRICT;
      CREATE INDEX image_digest_image ON image_digest (image_id);
      CREATE INDEX image_digest_digest ON image_digest (digest);
      CREATE TABLE blob_wanted (
        digest TEXT PRIMARY KEY,
        since_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE blob_source (
        digest TEXT NOT NULL,
        repository TEXT NOT NULL,
        PRIMARY KEY (digest, repository)
      ) STRICT;
    `,
  },
  {
    // What is said of an image (SBOM, provenance): a manifest and the blobs that it names.
    id: "0022-image-attestations",
    sql: `
      CREATE TABLE image_attestation (
        image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        digest TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        PRIMARY KEY (image_id, position)
      ) STRICT;
      CREATE INDEX image_attestation_digest ON image_attestation (digest);
    `,
  },
  {
    // Images that the disk may not have yet, and the boot in which they came (see settling.ts). Numbers are never reused.
    id: "0023-image-unsettled",
    sql: `
      CREATE TABLE image_unsettled (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
        boot_id TEXT NOT NULL
      ) STRICT;
      CREATE INDEX image_unsettled_image ON image_unsettled (image_id);
    `,
  },
];

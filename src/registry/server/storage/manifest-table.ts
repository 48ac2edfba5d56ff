import type { Store } from "../../../store/index.ts";
import { type BlobDigest, type ManifestReference, parseDigest } from "../names.ts";
import { type Page, type Paged, paged, rowOrUndefined, textOrUndefined } from "./rows.ts";

/** A manifest without its bytes. */
export interface ManifestRow {
  readonly digest: BlobDigest;
  readonly mediaType: string;
  readonly sizeBytes: number;
}

export interface NewManifest {
  readonly digest: BlobDigest;
  readonly mediaType: string;
  readonly content: Uint8Array;
  readonly artifactType: string | undefined;
  readonly subject: BlobDigest | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** Digests of the blobs and manifests it needs. */
  readonly references: readonly BlobDigest[];
}

/** A manifest that names another as its subject (distribution-spec, "Listing Referrers"). */
export interface Referrer extends ManifestRow {
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** The rows of manifests and tags of all repositories. */
export class ManifestTable {
  readonly #store: Store;
  readonly #byTag;
  readonly #byDigest;
  readonly #content;

  constructor(store: Store) {
    this.#store = store;
    const { database } = store;
    this.#byTag = database.prepare(
      `SELECT manifest.digest, media_type, size_bytes FROM repository
         JOIN tag ON tag.repository_id = repository.id AND tag.name = ?2
         JOIN manifest ON manifest.id = tag.manifest_id
       WHERE repository.name = ?1`,
    );
    this.#byDigest = database.prepare(
      `SELECT manifest.digest, media_type, size_bytes FROM repository
         JOIN manifest ON manifest.repository_id = repository.id AND manifest.digest = ?2
       WHERE repository.name = ?1`,
    );
    this.#content = database.prepare(
      `SELECT content FROM repository
         JOIN manifest ON manifest.repository_id = repository.id AND manifest.digest = ?2
       WHERE repository.name = ?1`,
    );
  }

  find(repository: string, reference: ManifestReference): ManifestRow | undefined {
    const row = rowOrUndefined(
      "tag" in reference
        ? this.#byTag.get(repository, reference.tag)
        : this.#byDigest.get(repository, reference.digest),
    );
    return row === undefined ? undefined : manifestRow(row);
  }

  /** The bytes as they were pushed. */
  content(repository: string, digest: BlobDigest): Uint8Array | undefined {
    const row = rowOrUndefined(this.#content.get(repository, digest));
    return row?.content instanceof Uint8Array ? row.content : undefined;
  }

  /** Write manifest, references and tags. Within a transaction. */
  put(repositoryId: number, manifest: NewManifest, tags: readonly string[]): void {
    const { database } = this.#store;
    const now = Date.now();
    const row = rowOrUndefined(
      database
        .prepare(
          `INSERT INTO manifest
             (repository_id, digest, media_type, artifact_type, subject, annotations, size_bytes, pushed_at, content)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
           ON CONFLICT (repository_id, digest) DO UPDATE SET media_type = ?3, pushed_at = ?8 RETURNING id`,
        )
        .get(
          repositoryId,
          manifest.digest,
          manifest.mediaType,
          manifest.artifactType ?? null,
          manifest.subject ?? null,
          manifest.annotations === undefined ? null : JSON.stringify(manifest.annotations),
          manifest.content.byteLength,
          now,
          manifest.content,
        ),
    );
    const id = Number(row?.id);
    const refer = database.prepare(
      "INSERT INTO manifest_reference (manifest_id, digest) VALUES (?, ?) ON CONFLICT DO NOTHING",
    );
    for (const digest of manifest.references) refer.run(id, digest);
    for (const tag of tags) this.#setTag(repositoryId, tag, id);
  }

  /** Let a tag stand for a manifest that is here. */
  moveTag(repository: string, tag: string, digest: BlobDigest): void {
    const row = rowOrUndefined(
      this.#store.database
        .prepare(
          `SELECT manifest.id, repository_id FROM manifest JOIN repository ON repository.id = repository_id
           WHERE repository.name = ? AND digest = ?`,
        )
        .get(repository, digest),
    );
    if (row !== undefined) this.#setTag(Number(row.repository_id), tag, Number(row.id));
  }

  #setTag(repositoryId: number, tag: string, manifestId: number): void {
    this.#store.database
      .prepare(
        `INSERT INTO tag (repository_id, name, manifest_id, moved_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET manifest_id = ?3, moved_at = ?4`,
      )
      .run(repositoryId, tag, manifestId, Date.now());
  }

  /** A digest takes the manifest with all its tags, a tag only itself. False when there is none. */
  delete(repository: string, reference: ManifestReference): boolean {
    const [table, column, value] =
      "tag" in reference ? ["tag", "name", reference.tag] : ["manifest", "digest", reference.digest];
    const { changes } = this.#store.database
      .prepare(
        `DELETE FROM ${table} WHERE ${column} = ?2
           AND repository_id = (SELECT id FROM repository WHERE name = ?1)`,
      )
      .run(repository, value);
    return Number(changes) > 0;
  }

  /** Tags in byte order. */
  tags(repositoryId: number, { limit, after }: Page): Paged<string> {
    const rows = this.#store.database
      .prepare("SELECT name FROM tag WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?")
      .all(repositoryId, after ?? "", limit + 1);
    return paged(
      rows.map((row) => String(row.name)),
      limit,
    );
  }

  countTags(): number {
    return Number(this.#store.database.prepare("SELECT COUNT(*) AS count FROM tag").get()?.count ?? 0);
  }

  /** Manifests with this subject, in the order of their digests; of one artifact type, when given. */
  referrers(
    repository: string,
    subject: BlobDigest,
    artifactType: string | undefined,
    { limit, after }: Page,
  ): Paged<Referrer> {
    const rows = this.#store.database
      .prepare(
        `SELECT digest, media_type, size_bytes, artifact_type, annotations FROM manifest
         WHERE repository_id = (SELECT id FROM repository WHERE name = ?1) AND subject = ?2
           AND digest > ?3 AND (?4 IS NULL OR artifact_type = ?4)
         ORDER BY digest LIMIT ?5`,
      )
      .all(repository, subject, after ?? "", artifactType ?? null, limit + 1);
    return paged(
      rows.map((row) => ({
        ...manifestRow(row),
        artifactType: textOrUndefined(row.artifact_type),
        annotations: typeof row.annotations === "string" ? JSON.parse(row.annotations) : undefined,
      })),
      limit,
    );
  }

  /**
   * Remove manifests pushed at `before` or earlier that nothing leads to: no tag, no index, no subject that is here. Removing
   * one can set others free, so this goes on until none is left.
   */
  deleteUntagged(before: number): number {
    const sweep = this.#store.database.prepare(
      `DELETE FROM manifest WHERE pushed_at <= ?
         AND NOT EXISTS (SELECT 1 FROM tag WHERE tag.manifest_id = manifest.id)
         AND NOT EXISTS (
           SELECT 1 FROM manifest_reference AS reference JOIN manifest AS parent ON parent.id = reference.manifest_id
           WHERE reference.digest = manifest.digest AND parent.repository_id = manifest.repository_id)
         AND NOT EXISTS (
           SELECT 1 FROM manifest AS subject
           WHERE subject.repository_id = manifest.repository_id AND subject.digest = manifest.subject)`,
    );
    let removed = 0;
    for (let changes = -1; changes !== 0; removed += changes) changes = Number(sweep.run(before).changes);
    return removed;
  }
}

function manifestRow(row: Record<string, unknown>): ManifestRow {
  return {
    digest: parseDigest(String(row.digest)),
    mediaType: String(row.media_type),
    sizeBytes: Number(row.size_bytes),
  };
}

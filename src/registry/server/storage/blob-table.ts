import type { Store } from "../../../store/index.ts";
import { type BlobDigest, isDigest } from "../names.ts";
import { rowOrUndefined } from "./rows.ts";

/** A repository may have asked for a blob so long ago before the note of it is renewed. */
const RENEW_AFTER_MS = 60_000;

/** The rows of blobs, and which repository may serve which (a blob is stored once, and seen only where it was pushed or mounted). */
export class BlobTable {
  readonly #store: Store;
  readonly #find;
  readonly #findLinked;
  readonly #renew;

  constructor(store: Store) {
    this.#store = store;
    const { database } = store;
    this.#find = database.prepare("SELECT size_bytes FROM blob WHERE digest = ? AND present = 1");
    this.#findLinked = database.prepare(
      `SELECT blob.size_bytes, link.used_at, link.repository_id FROM repository
         JOIN repository_blob AS link ON link.repository_id = repository.id AND link.digest = ?2
         JOIN blob ON blob.digest = link.digest AND blob.present = 1
       WHERE repository.name = ?1`,
    );
    this.#renew = database.prepare(
      "UPDATE repository_blob SET used_at = ? WHERE repository_id = ? AND digest = ?",
    );
  }

  /** Size in bytes of a blob anywhere in the storage; undefined when it is not here. */
  sizeOf(digest: BlobDigest): number | undefined {
    const row = rowOrUndefined(this.#find.get(digest));
    return row === undefined ? undefined : Number(row.size_bytes);
  }

  /**
   * Size in bytes of a blob that the repository may serve. Asking keeps the blob from garbage collection for the
   * grace period: a client that is told "it is here" does not send it.
   */
  sizeIn(repository: string, digest: BlobDigest): number | undefined {
    const row = rowOrUndefined(this.#findLinked.get(repository, digest));
    if (row === undefined) return undefined;
    const now = Date.now();
    if (now - Number(row.used_at) > RENEW_AFTER_MS) this.#renew.run(now, Number(row.repository_id), digest);
    return Number(row.size_bytes);
  }

  /** Note a blob whose file is about to get its name. One that is here already stays as it is. */
  announce(digest: BlobDigest, sizeBytes: number): void {
    this.#store.database
      .prepare(
        "INSERT INTO blob (digest, size_bytes, present, arrived_at) VALUES (?, ?, 0, ?) ON CONFLICT DO NOTHING",
      )
      .run(digest, sizeBytes, Date.now());
  }

  confirm(digest: BlobDigest): void {
    this.#store.database
      .prepare("UPDATE blob SET present = 1, arrived_at = ? WHERE digest = ?")
      .run(Date.now(), digest);
  }

  link(repositoryId: number, digest: BlobDigest): void {
    this.#store.database
      .prepare(
        `INSERT INTO repository_blob (repository_id, digest, used_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET used_at = ?3`,
      )
      .run(repositoryId, digest, Date.now());
  }

  /** Take the blob from the repository; its bytes go when garbage is collected. False when it had none. */
  unlink(repository: string, digest: BlobDigest): boolean {
    const { changes } = this.#store.database
      .prepare(
        "DELETE FROM repository_blob WHERE digest = ?2 AND repository_id = (SELECT id FROM repository WHERE name = ?1)",
      )
      .run(repository, digest);
    return Number(changes) > 0;
  }

  /** Names of all repositories that may serve the blob. */
  repositoriesWith(digest: BlobDigest): string[] {
    return this.#store.database
      .prepare(
        `SELECT repository.name FROM repository_blob AS link
           JOIN repository ON repository.id = link.repository_id
           JOIN blob ON blob.digest = link.digest AND blob.present = 1
         WHERE link.digest = ?`,
      )
      .all(digest)
      .map((row) => String(row.name));
  }

  /** Remove the rows of blobs whose files never got their names: what a crash leaves. Run at start, by the one server. */
  forgetArriving(): void {
    this.#store.database.exec("DELETE FROM blob WHERE present = 0");
  }

  /** Blobs of no repository that came at `before` or earlier. */
  unlinked(before: number): BlobDigest[] {
    return this.#store.database
      .prepare(
        `SELECT digest FROM blob WHERE present = 1 AND arrived_at <= ?
           AND NOT EXISTS (SELECT 1 FROM repository_blob AS link WHERE link.digest = blob.digest)`,
      )
      .all(before)
      .map((row) => String(row.digest))
      .filter(isDigest);
  }

  /** Remove the row if still no repository has the blob. Gives the bytes it spoke for, 0 when it stays. */
  forgetUnlinked(digest: BlobDigest): number {
    const row = rowOrUndefined(
      this.#store.database
        .prepare(
          `DELETE FROM blob WHERE digest = ? AND present = 1
             AND NOT EXISTS (SELECT 1 FROM repository_blob AS link WHERE link.digest = blob.digest)
           RETURNING size_bytes`,
        )
        .get(digest),
    );
    return row === undefined ? 0 : Number(row.size_bytes);
  }

  /** Blobs that nobody asked for longest come first. */
  leastRecentlyUsed(limit: number): BlobDigest[] {
    return this.#store.database
      .prepare("SELECT digest FROM repository_blob GROUP BY digest ORDER BY MAX(used_at) LIMIT ?")
      .all(limit)
      .map((row) => String(row.digest))
      .filter(isDigest);
  }

  /** Remove the row and take the blob from every repository. */
  forgetEverywhere(digest: BlobDigest): void {
    const { database } = this.#store;
    database.prepare("DELETE FROM repository_blob WHERE digest = ?").run(digest);
    database.prepare("DELETE FROM blob WHERE digest = ? AND present = 1").run(digest);
  }

  /** Whether any row, arriving or present, speaks for the file. */
  isKnown(digest: BlobDigest): boolean {
    return (
      rowOrUndefined(this.#store.database.prepare("SELECT 1 FROM blob WHERE digest = ?").get(digest)) !==
      undefined
    );
  }

  /** Take blobs from repositories that have no manifest naming them and have not been asked for them after `before`. */
  unlinkUnreferenced(before: number): number {
    const { changes } = this.#store.database
      .prepare(
        `DELETE FROM repository_blob WHERE used_at <= ? AND NOT EXISTS (
           SELECT 1 FROM manifest_reference AS reference
             JOIN manifest ON manifest.id = reference.manifest_id
           WHERE reference.digest = repository_blob.digest
             AND manifest.repository_id = repository_blob.repository_id)`,
      )
      .run(before);
    return Number(changes);
  }
}

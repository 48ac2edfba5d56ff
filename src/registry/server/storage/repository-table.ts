import type { Store } from "../../../store/index.ts";
import { type Page, type Paged, paged, rowOrUndefined } from "./rows.ts";

/** A repository as a search finds it. */
export interface FoundRepository {
  readonly name: string;
  /** Of the newest manifest that has one (annotation org.opencontainers.image.description), "" otherwise. */
  readonly description: string;
}

/** The rows of repositories. One begins with its first push and ends when garbage collection finds it empty. */
export class RepositoryTable {
  readonly #store: Store;
  readonly #id;

  constructor(store: Store) {
    this.#store = store;
    this.#id = store.database.prepare("SELECT id FROM repository WHERE name = ?");
  }

  idOf(name: string): number | undefined {
    const row = rowOrUndefined(this.#id.get(name));
    return row === undefined ? undefined : Number(row.id);
  }

  /** The id, made when there is none. */
  ensure(name: string): number {
    const known = this.idOf(name);
    if (known !== undefined) return known;
    this.#store.database
      .prepare("INSERT INTO repository (name, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING")
      .run(name, Date.now());
    return this.ensure(name);
  }

  /** Names of repositories with a manifest, in order. */
  list({ limit, after }: Page): Paged<string> {
    const rows = this.#store.database
      .prepare(
        `SELECT name FROM repository WHERE name > ?
           AND EXISTS (SELECT 1 FROM manifest WHERE manifest.repository_id = repository.id)
         ORDER BY name LIMIT ?`,
      )
      .all(after ?? "", limit + 1);
    return paged(
      rows.map((row) => String(row.name)),
      limit,
    );
  }

  /** How many there are, manifests or not. */
  count(): number {
    return Number(this.#store.database.prepare("SELECT COUNT(*) AS count FROM repository").get()?.count ?? 0);
  }

  /** Repositories with a manifest whose name holds the term; those that begin with it, or whose last part does, come first. */
  search(term: string, limit: number, offset: number): { total: number; found: FoundRepository[] } {
    const matching = `FROM repository WHERE instr(name, ?1) > 0
       AND EXISTS (SELECT 1 FROM manifest WHERE manifest.repository_id = repository.id)`;
    const { database } = this.#store;
    const total = Number(database.prepare(`SELECT COUNT(*) AS total ${matching}`).get(term)?.total ?? 0);
    const found = database
      .prepare(
        `SELECT name, (
           SELECT json_extract(annotations, '$."org.opencontainers.image.description"') FROM manifest
           WHERE manifest.repository_id = repository.id AND annotations IS NOT NULL
           ORDER BY pushed_at DESC LIMIT 1) AS description
         ${matching}
         ORDER BY (instr(name, ?1) = 1 OR instr(name, '/' || ?1) > 0) DESC, name LIMIT ?2 OFFSET ?3`,
      )
      .all(term, limit, offset)
      .map((row) => ({
        name: String(row.name),
        description: typeof row.description === "string" ? row.description : "",
      }));
    return { total, found };
  }

  /** Remove repositories that hold nothing, except those made after `before`. */
  removeEmpty(before: number): void {
    this.#store.database
      .prepare(
        `DELETE FROM repository WHERE created_at <= ?
           AND NOT EXISTS (SELECT 1 FROM manifest WHERE manifest.repository_id = repository.id)
           AND NOT EXISTS (SELECT 1 FROM repository_blob AS link WHERE link.repository_id = repository.id)
           AND NOT EXISTS (SELECT 1 FROM upload WHERE upload.repository = repository.name)`,
      )
      .run(before);
  }
}

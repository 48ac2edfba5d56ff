import type { Store } from "../store/index.ts";

export interface LayerRow {
  readonly number: number;
  readonly parentChainId: string | undefined;
  readonly sizeBytes: number;
}

export interface ActiveRow {
  readonly number: number;
  readonly parentChainId: string | undefined;
}

/** The two tables of snapshots, as plain values. */
export class SnapshotRows {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  layer(chainId: string): LayerRow | undefined {
    const row = this.#store.database
      .prepare("SELECT number, parent_chain_id, size_bytes FROM snapshot_layer WHERE chain_id = ?")
      .get(chainId);
    if (row === undefined || row === null) return undefined;
    return {
      number: Number(row.number),
      parentChainId: textOrUndefined(row.parent_chain_id),
      sizeBytes: Number(row.size_bytes),
    };
  }

  insertLayer(chainId: string, row: LayerRow): void {
    this.#store.database
      .prepare(
        "INSERT INTO snapshot_layer (chain_id, number, parent_chain_id, size_bytes) VALUES (?, ?, ?, ?)",
      )
      .run(chainId, row.number, row.parentChainId ?? null, row.sizeBytes);
  }

  /** Whether another layer or a writable one stands on this one. */
  isLayerUsed(chainId: string): boolean {
    const row = this.#store.database
      .prepare(
        `SELECT EXISTS (SELECT 1 FROM snapshot_layer WHERE parent_chain_id = ?1)
             OR EXISTS (SELECT 1 FROM snapshot_active WHERE parent_chain_id = ?1) AS used`,
      )
      .get(chainId);
    return Number(row?.used) === 1;
  }

  deleteLayer(chainId: string): void {
    this.#store.database.prepare("DELETE FROM snapshot_layer WHERE chain_id = ?").run(chainId);
  }

  active(id: string): ActiveRow | undefined {
    const row = this.#store.database
      .prepare("SELECT number, parent_chain_id FROM snapshot_active WHERE id = ?")
      .get(id);
    if (row === undefined || row === null) return undefined;
    return { number: Number(row.number), parentChainId: textOrUndefined(row.parent_chain_id) };
  }

  insertActive(id: string, row: ActiveRow): void {
    this.#store.database
      .prepare("INSERT INTO snapshot_active (id, number, parent_chain_id) VALUES (?, ?, ?)")
      .run(id, row.number, row.parentChainId ?? null);
  }

  deleteActive(id: string): void {
    this.#store.database.prepare("DELETE FROM snapshot_active WHERE id = ?").run(id);
  }

  /** Every folder number that a row speaks for. */
  numbers(): Set<number> {
    const rows = this.#store.database
      .prepare("SELECT number FROM snapshot_layer UNION SELECT number FROM snapshot_active")
      .all();
    return new Set(rows.map((row) => Number(row.number)));
  }

  /** All committed layers, children before their parents. */
  layers(): { chainId: string; parentChainId: string | undefined }[] {
    return this.#store.database
      .prepare("SELECT chain_id, parent_chain_id FROM snapshot_layer ORDER BY rowid DESC")
      .all()
      .map((row) => ({ chainId: String(row.chain_id), parentChainId: textOrUndefined(row.parent_chain_id) }));
  }
}

function textOrUndefined(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

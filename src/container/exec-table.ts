import type { Migration, Store } from "../store/index.ts";
import type { ExecConfig } from "../wire/index.ts";

export const execMigrations: readonly Migration[] = [
  {
    id: "0110-exec",
    sql: `CREATE TABLE exec (
      id TEXT PRIMARY KEY,
      container_id TEXT NOT NULL,
      config TEXT NOT NULL,
      state TEXT NOT NULL
    ) STRICT;
    CREATE INDEX exec_container ON exec (container_id)`,
  },
];

export type ExecState =
  | { readonly status: "created" }
  | { readonly status: "running"; readonly pid: number }
  | { readonly status: "exited"; readonly exitCode: number; readonly exitedAtMs: number };

/** One more process in a container, from its creation until some minutes after its end. */
export interface ExecRecord {
  readonly id: string;
  readonly containerId: string;
  readonly config: ExecConfig;
  readonly state: ExecState;
}

/** The exec rows, mirrored in memory as the containers are. */
export interface ExecTable {
  insert(record: ExecRecord): void;
  setState(id: string, state: ExecState): void;
  get(id: string): ExecRecord | undefined;
  list(): ExecRecord[];
  /** Ids of those of one container that have not ended. */
  liveOf(containerId: string): string[];
  deleteOf(containerId: string): void;
  /** Forget those that ended before the time given. */
  deleteEndedBefore(timeMs: number): void;
}

export function createExecTable(store: Store): ExecTable {
  const { database } = store;
  const byId = new Map<string, ExecRecord>();
  const insertRow = database.prepare(
    "INSERT INTO exec (id, container_id, config, state) VALUES (?, ?, ?, ?)",
  );
  const updateState = database.prepare("UPDATE exec SET state = ? WHERE id = ?");
  const deleteRow = database.prepare("DELETE FROM exec WHERE id = ?");
  for (const row of database.prepare("SELECT * FROM exec").all()) {
    byId.set(String(row.id), {
      id: String(row.id),
      containerId: String(row.container_id),
      // The columns hold what `insert` and `setState` wrote, and nothing else.
      config: JSON.parse(String(row.config)) as ExecConfig,
      state: JSON.parse(String(row.state)) as ExecState,
    });
  }
  const remove = (id: string) => {
    deleteRow.run(id);
    store.afterCommit(() => byId.delete(id));
  };
  return {
    insert(record) {
      insertRow.run(
        record.id,
        record.containerId,
        JSON.stringify(record.config),
        JSON.stringify(record.state),
      );
      store.afterCommit(() => byId.set(record.id, record));
    },
    setState(id, state) {
      const record = byId.get(id);
      if (record === undefined) return;
      updateState.run(JSON.stringify(state), id);
      store.afterCommit(() => byId.set(id, { ...record, state }));
    },
    get: (id) => byId.get(id),
    list: () => [...byId.values()],
    liveOf: (containerId) =>
      [...byId.values()]
        .filter((record) => record.containerId === containerId && record.state.status !== "exited")
        .map((record) => record.id),
    deleteOf(containerId) {
      for (const record of byId.values()) if (record.containerId === containerId) remove(record.id);
    },
    deleteEndedBefore(timeMs) {
      for (const { id, state } of byId.values()) {
        if (state.status === "exited" && state.exitedAtMs < timeMs) remove(id);
      }
    },
  };
}

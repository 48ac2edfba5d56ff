import { conflict, invalid, notFound } from "../errors/index.ts";
import type { Migration, Store } from "../store/index.ts";
import type { Health, HostConfig } from "../wire/index.ts";
import type { ContainerDefinition, ContainerRecord } from "./record.ts";
import type { ContainerLifeState } from "./state.ts";

export const containerMigrations: readonly Migration[] = [
  {
    id: "0100-container",
    sql: `CREATE TABLE container (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      created_at_ns TEXT NOT NULL,
      definition TEXT NOT NULL,
      state TEXT NOT NULL,
      restart_count INTEGER NOT NULL DEFAULT 0
    ) STRICT`,
  },
  { id: "0101-container-health", sql: "ALTER TABLE container ADD COLUMN health TEXT" },
];

/**
 * The container rows. All of them are held in memory as well (one daemon owns the database), so that `ps` of a
 * thousand containers reads no disk; every write goes to the row first.
 */
export interface ContainerTable {
  insert(record: ContainerRecord): void;
  /** The count of restarts by policy stays as it is unless given. */
  setState(id: string, state: ContainerLifeState, restartCount?: number): ContainerRecord;
  setName(id: string, name: string): ContainerRecord;
  /** What `update` changes of a definition. */
  setHostConfig(id: string, hostConfig: HostConfig): ContainerRecord;
  /** What health checks have found; undefined when none is to be known. Read again by the next daemon only. */
  saveHealth(id: string, health: Health | undefined): void;
  savedHealth(id: string): Health | undefined;
  delete(id: string): void;
  /** By full id. */
  get(id: string): ContainerRecord | undefined;
  /** By id, name, or unambiguous id prefix. Throws not-found, or invalid when a prefix fits several. */
  find(reference: string): ContainerRecord;
  findByName(name: string): ContainerRecord | undefined;
  /** Newest first. */
  list(): ContainerRecord[];
}

export function createContainerTable(store: Store): ContainerTable {
  const { database } = store;
  const byId = new Map<string, ContainerRecord>();
  const idByName = new Map<string, string>();
  const insertRow = database.prepare(
    "INSERT INTO container (id, name, created_at_ns, definition, state) VALUES (?, ?, ?, ?, ?)",
  );
  const updateState = database.prepare("UPDATE container SET state = ?, restart_count = ? WHERE id = ?");
  const updateDefinition = database.prepare("UPDATE container SET definition = ? WHERE id = ?");
  const updateHealth = database.prepare("UPDATE container SET health = ? WHERE id = ?");
  const readHealth = database.prepare("SELECT health FROM container WHERE id = ?");
  const updateName = database.prepare("UPDATE container SET name = ? WHERE id = ?");
  const deleteRow = database.prepare("DELETE FROM container WHERE id = ?");

  for (const row of database.prepare("SELECT * FROM container ORDER BY created_at_ns").all()) {
    const record = recordOf(row);
    byId.set(record.id, record);
    idByName.set(record.name, record.id);
  }

  const current = (id: string): ContainerRecord => {
    const record = byId.get(id);
    if (record === undefined) throw notFound(`No such container: ${id}`);
    return record;
  };
  const remember = (record: ContainerRecord): ContainerRecord => {
    store.afterCommit(() => {
      const old = byId.get(record.id);
      if (old !== undefined) idByName.delete(old.name);
      byId.set(record.id, record);
      idByName.set(record.name, record.id);
    });
    return record;
  };
  const requireFreeName = (name: string) => {
    const holder = idByName.get(name);
    if (holder !== undefined) throw nameTaken(name, holder);
  };

  return {
    insert(record) {
      requireFreeName(record.name);
      insertRow.run(
        record.id,
        record.name,
        String(record.createdAtNs),
        JSON.stringify(record.definition),
        serialiseState(record.state),
      );
      remember(record);
    },
    setState(id, state, restartCount = current(id).restartCount) {
      const record = { ...current(id), state, restartCount };
      updateState.run(serialiseState(state), restartCount, id);
      return remember(record);
    },
    setName(id, name) {
      requireFreeName(name);
      const record = { ...current(id), name };
      updateName.run(name, id);
      return remember(record);
    },
    setHostConfig(id, hostConfig) {
      const record = current(id);
      const definition = { ...record.definition, hostConfig };
      updateDefinition.run(JSON.stringify(definition), id);
      return remember({ ...record, definition });
    },
    saveHealth(id, health) {
      updateHealth.run(health === undefined ? null : JSON.stringify(health), id);
    },
    savedHealth(id) {
      const text = readHealth.get(id)?.health;
      // What saveHealth wrote, and nothing else.
      return typeof text === "string" ? (JSON.parse(text) as Health) : undefined;
    },
    delete(id) {
      const { name } = current(id);
      deleteRow.run(id);
      store.afterCommit(() => {
        byId.delete(id);
        idByName.delete(name);
      });
    },
    get: (id) => byId.get(id),
    find(reference) {
      if (reference === "") throw invalid("no container name or ID supplied");
      const name = reference.startsWith("/") ? reference.slice(1) : reference;
      const found =
        byId.get(reference) ?? byId.get(idByName.get(name) ?? "") ?? findByPrefix(byId, reference);
      if (found === undefined) throw notFound(`No such container: ${reference}`);
      return found;
    },
    findByName: (name) => byId.get(idByName.get(name) ?? ""),
    list: () => [...byId.values()].reverse(),
  };
}

function findByPrefix(
  byId: ReadonlyMap<string, ContainerRecord>,
  prefix: string,
): ContainerRecord | undefined {
  if (!/^[0-9a-f]{1,63}$/.test(prefix)) return undefined;
  let found: ContainerRecord | undefined;
  for (const [id, record] of byId) {
    if (!id.startsWith(prefix)) continue;
    if (found !== undefined) throw invalid(`multiple IDs found with provided prefix: ${prefix}`);
    found = record;
  }
  return found;
}

function nameTaken(name: string, holder: string) {
  return conflict(
    `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
}

/** Times in nanoseconds do not fit a double: in JSON they are decimal strings under names that end in "Ns". */
function serialiseState(state: ContainerLifeState): string {
  return JSON.stringify(state, (_key, item: unknown) => (typeof item === "bigint" ? String(item) : item));
}

function parseState(text: string): ContainerLifeState {
  return JSON.parse(text, (key, item: unknown) =>
    key.endsWith("Ns") && typeof item === "string" ? BigInt(item) : item,
  ) as ContainerLifeState;
}

function recordOf(row: Record<string, unknown>): ContainerRecord {
  return {
    id: String(row.id),
    name: String(row.name),
    createdAtNs: BigInt(String(row.created_at_ns)),
    // The columns hold what `insert` and `setState` wrote, and nothing else.
    definition: JSON.parse(String(row.definition)) as ContainerDefinition,
    state: parseState(String(row.state)),
    restartCount: Number(row.restart_count),
  };
}

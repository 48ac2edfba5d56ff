import type { Migration, Store } from "../store/index.ts";
import type { Protocol } from "./ports.ts";
import type { EndpointDescription } from "./service.ts";

export const migrations: readonly Migration[] = [
  {
    id: "0200-network",
    sql: `CREATE TABLE network (name TEXT PRIMARY KEY, id TEXT NOT NULL, subnet TEXT) STRICT;
    CREATE TABLE endpoint (container_id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT`,
  },
];

export interface BoundPort {
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly protocol: Protocol;
  readonly containerPort: number;
}

/** One container's place in a network while it runs. */
export interface Endpoint {
  readonly containerId: string;
  readonly containerName: string;
  /** undefined on none and host. */
  readonly address: string | undefined;
  readonly hostInterface: string | undefined;
  readonly ports: readonly BoundPort[];
  readonly description: EndpointDescription;
}

export interface NetworkRow {
  readonly name: string;
  readonly id: string;
  readonly subnet: string | undefined;
}

/** Rows of networks and endpoints; endpoints are mirrored in memory. */
export interface NetworkTable {
  findNetwork(name: string): NetworkRow | undefined;
  insertNetwork(row: NetworkRow): void;
  insert(endpoint: Endpoint): void;
  delete(containerId: string): void;
  get(containerId: string): Endpoint | undefined;
  list(): Endpoint[];
}

export function createNetworkTable(store: Store): NetworkTable {
  const { database } = store;
  const endpoints = new Map<string, Endpoint>();
  const insertRow = database.prepare("INSERT INTO endpoint (container_id, document) VALUES (?, ?)");
  const deleteRow = database.prepare("DELETE FROM endpoint WHERE container_id = ?");
  for (const row of database.prepare("SELECT container_id, document FROM endpoint").all()) {
    // The column holds what `insert` wrote, and nothing else.
    endpoints.set(String(row.container_id), JSON.parse(String(row.document)) as Endpoint);
  }
  return {
    findNetwork(name) {
      const row = database.prepare("SELECT name, id, subnet FROM network WHERE name = ?").get(name);
      if (row === undefined) return undefined;
      return { name, id: String(row.id), subnet: row.subnet === null ? undefined : String(row.subnet) };
    },
    insertNetwork({ name, id, subnet }) {
      database
        .prepare("INSERT OR REPLACE INTO network (name, id, subnet) VALUES (?, ?, ?)")
        .run(name, id, subnet ?? null);
    },
    insert(endpoint) {
      insertRow.run(endpoint.containerId, JSON.stringify(endpoint));
      store.afterCommit(() => endpoints.set(endpoint.containerId, endpoint));
    },
    delete(containerId) {
      deleteRow.run(containerId);
      store.afterCommit(() => endpoints.delete(containerId));
    },
    get: (containerId) => endpoints.get(containerId),
    list: () => [...endpoints.values()],
  };
}

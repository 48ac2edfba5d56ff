import type { Migration, Store } from "../store/index.ts";
import type { EndpointRecord, LiveEndpoint, NetworkRecord, SandboxRecord } from "./record.ts";

export const migrations: readonly Migration[] = [
  {
    id: "0200-network",
    sql: `CREATE TABLE network (name TEXT PRIMARY KEY, id TEXT NOT NULL, subnet TEXT) STRICT;
    CREATE TABLE endpoint (container_id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT`,
  },
  {
    id: "0201-networks",
    // The tables before knew one network, which is made anew, and running containers only.
    // That no address is given twice is the database's word: empty ones do not count.
    sql: `DROP TABLE network; DROP TABLE endpoint;
    CREATE TABLE network (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, document TEXT NOT NULL) STRICT;
    CREATE TABLE endpoint (
      container_id TEXT NOT NULL,
      network_id TEXT NOT NULL,
      ipv4 TEXT,
      ipv6 TEXT,
      document TEXT NOT NULL,
      PRIMARY KEY (container_id, network_id),
      UNIQUE (network_id, ipv4),
      UNIQUE (network_id, ipv6)
    ) STRICT;
    CREATE TABLE sandbox (container_id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT`,
  },
];

/** Rows of networks, of containers' places in them, and of running containers' sandboxes; all mirrored in memory. */
export interface NetworkTable {
  networks(): NetworkRecord[];
  network(id: string): NetworkRecord | undefined;
  insertNetwork(network: NetworkRecord): void;
  /** Put another record in the place of the network's; its name and id stay. */
  updateNetwork(network: NetworkRecord): void;
  deleteNetwork(id: string): void;

  /** A container's endpoints in the order in which it was given its networks. */
  endpointsOf(containerId: string): EndpointRecord[];
  endpointsIn(networkId: string): EndpointRecord[];
  endpoint(containerId: string, networkId: string): EndpointRecord | undefined;
  putEndpoint(endpoint: EndpointRecord): void;
  deleteEndpoint(containerId: string, networkId: string): void;

  sandboxes(): SandboxRecord[];
  sandbox(containerId: string): SandboxRecord | undefined;
  /** By the first 16 digits of the sandbox's id. */
  sandboxByPrefix(prefix: string): SandboxRecord | undefined;
  putSandbox(sandbox: SandboxRecord): void;
  deleteSandbox(containerId: string): void;
}

const PREFIX_DIGITS = 16;

export function createNetworkTable(store: Store): NetworkTable {
  const { database } = store;
  const networks = new Map<string, NetworkRecord>();
  const byContainer = new Map<string, Map<string, EndpointRecord>>();
  const byNetwork = new Map<string, Map<string, EndpointRecord>>();
  const sandboxes = new Map<string, SandboxRecord>();
  const byPrefix = new Map<string, SandboxRecord>();
  const put = {
    network: database.prepare("INSERT INTO network (id, name, document) VALUES (?, ?, ?)"),
    changedNetwork: database.prepare("UPDATE network SET document = ? WHERE id = ?"),
    endpoint: database.prepare(
      `INSERT INTO endpoint (container_id, network_id, ipv4, ipv6, document) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (container_id, network_id) DO UPDATE SET ipv4 = excluded.ipv4, ipv6 = excluded.ipv6, document = excluded.document`,
    ),
    sandbox: database.prepare(
      `INSERT INTO sandbox (container_id, document) VALUES (?, ?)
       ON CONFLICT (container_id) DO UPDATE SET document = excluded.document`,
    ),
  };
  const remove = {
    network: database.prepare("DELETE FROM network WHERE id = ?"),
    endpoint: database.prepare("DELETE FROM endpoint WHERE container_id = ? AND network_id = ?"),
    sandbox: database.prepare("DELETE FROM sandbox WHERE container_id = ?"),
  };
  const remember = (endpoint: EndpointRecord) => {
    inner(byContainer, endpoint.containerId).set(endpoint.networkId, endpoint);
    inner(byNetwork, endpoint.networkId).set(endpoint.containerId, endpoint);
  };

  const rememberSandbox = (sandbox: SandboxRecord) => {
    sandboxes.set(sandbox.containerId, sandbox);
    byPrefix.set(sandbox.sandboxId.slice(0, PREFIX_DIGITS), sandbox);
  };

  // The columns hold what the methods below wrote, and nothing else.
  const documents = <T>(name: string): T[] =>
    database
      .prepare(`SELECT document FROM ${name}`)
      .all()
      .map((row) => JSON.parse(String(row.document)) as T);
  for (const network of documents<NetworkRecord>("network")) networks.set(network.id, network);
  for (const endpoint of documents<EndpointRecord>("endpoint")) remember(endpoint);
  for (const sandbox of documents<SandboxRecord>("sandbox")) rememberSandbox(sandbox);

  return {
    networks: () => [...networks.values()],
    network: (id) => networks.get(id),
    insertNetwork(network) {
      put.network.run(network.id, network.name, JSON.stringify(network));
      store.afterCommit(() => networks.set(network.id, network));
    },
    updateNetwork(network) {
      put.changedNetwork.run(JSON.stringify(network), network.id);
      store.afterCommit(() => networks.set(network.id, network));
    },
    deleteNetwork(id) {
      remove.network.run(id);
      store.afterCommit(() => networks.delete(id));
    },
    endpointsOf: (containerId) =>
      [...(byContainer.get(containerId)?.values() ?? [])].sort((a, b) => a.position - b.position),
    endpointsIn: (networkId) => [...(byNetwork.get(networkId)?.values() ?? [])],
    endpoint: (containerId, networkId) => byContainer.get(containerId)?.get(networkId),
    putEndpoint(endpoint) {
      const { containerId, networkId, live } = endpoint;
      put.endpoint.run(
        containerId,
        networkId,
        live?.ipv4 ?? null,
        live?.ipv6 ?? null,
        JSON.stringify(endpoint),
      );
      store.afterCommit(() => remember(endpoint));
    },
    deleteEndpoint(containerId, networkId) {
      remove.endpoint.run(containerId, networkId);
      store.afterCommit(() => {
        byContainer.get(containerId)?.delete(networkId);
        byNetwork.get(networkId)?.delete(containerId);
        if (byContainer.get(containerId)?.size === 0) byContainer.delete(containerId);
        if (byNetwork.get(networkId)?.size === 0) byNetwork.delete(networkId);
      });
    },
    sandboxes: () => [...sandboxes.values()],
    sandbox: (containerId) => sandboxes.get(containerId),
    sandboxByPrefix: (prefix) => byPrefix.get(prefix),
    putSandbox(sandbox) {
      put.sandbox.run(sandbox.containerId, JSON.stringify(sandbox));
      store.afterCommit(() => rememberSandbox(sandbox));
    },
    deleteSandbox(containerId) {
      remove.sandbox.run(containerId);
      store.afterCommit(() => {
        byPrefix.delete(sandboxes.get(containerId)?.sandboxId.slice(0, PREFIX_DIGITS) ?? "");
        sandboxes.delete(containerId);
      });
    },
  };
}

function inner(outer: Map<string, Map<string, EndpointRecord>>, key: string): Map<string, EndpointRecord> {
  const known = outer.get(key);
  if (known !== undefined) return known;
  const made = new Map<string, EndpointRecord>();
  outer.set(key, made);
  return made;
}

/** An endpoint that is live is one that has addresses, an interface, names. */
export type LiveRecord = EndpointRecord & { readonly live: LiveEndpoint };
export const isLive = (endpoint: EndpointRecord): endpoint is LiveRecord => endpoint.live !== undefined;
/** The same place while nothing of it exists in the kernel. */
export function withoutLive({ live: _live, ...rest }: EndpointRecord): EndpointRecord {
  return rest;
}

import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { createHostServers, createResponder, type NamesRelay, openNamesRelay } from "../dns/index.ts";
import { invalid } from "../errors/index.ts";
import type { EventLog } from "../events/index.ts";
import type { Firewall } from "../firewall/index.ts";
import type { Log } from "../log/index.ts";
import { keyedMutex } from "../platform/index.ts";
import type { Store } from "../store/index.ts";
import { createAddressBook } from "./address-book.ts";
import { plannedEndpoints } from "./attachments.ts";
import type { NetworkContext, NetworkSettings } from "./context.ts";
import { describeSandbox } from "./describe.ts";
import { createDrivers } from "./drivers/index.ts";
import { explainSandbox, previewSandbox } from "./explain.ts";
import { poolsOf } from "./ipam/index.ts";
import { connectContainer, disconnectContainer } from "./memberships.ts";
import { createZones, viewOf } from "./names/index.ts";
import {
  createNetwork,
  ensurePredefinedRows,
  findNetwork,
  inspectNetwork,
  networkFilter,
  pruneNetworks,
  removeNetwork,
} from "./networks/index.ts";
import { createHeldPorts, type HostForwarding, parsePortKey, parsePorts } from "./published/index.ts";
import { reconcileNetworks } from "./reconcile.ts";
import {
  changePorts,
  closeSandbox,
  gatewayOrder,
  isExtraHost,
  namesOf,
  openNames,
  openSandbox,
} from "./sandbox/index.ts";
import type { AttachRequest, ContainerNetworks } from "./service.ts";
import { createNetworkTable, isLive } from "./table.ts";

export interface NetworkServiceOptions {
  readonly store: Store;
  readonly events: EventLog;
  readonly log: Log;
  readonly shimPath: string;
  readonly firewall: Firewall;
  /** The default bridge is NAME0. */
  readonly name: string;
  /** Where the name server's helper listens: EXEC_ROOT/names.sock. */
  readonly namesSocket: string;
  readonly settings: NetworkSettings;
  /** Who opens the host's ports, when those of the engine's own network namespace are others. */
  readonly forwarding?: HostForwarding;
}

/** The service with what only the composition calls. */
export interface OwnedNetworkService extends ContainerNetworks, AsyncDisposable {
  /** Remove the devices and packet rules of all networks: for uninstalling, and for tests. */
  teardown(): Promise<void>;
}

export function createNetworkService(options: NetworkServiceOptions): OwnedNetworkService {
  const { store, events, log, shimPath, firewall, name, settings } = options;
  const table = createNetworkTable(store);
  const hostServers = createHostServers();
  const respond = createResponder((key) => {
    const sandbox = table.sandboxByPrefix(key.toString(16).padStart(16, "0"));
    if (sandbox === undefined) return undefined;
    const endpoints = table.endpointsOf(sandbox.containerId).filter(isLive);
    return viewOf(context, sandbox, gatewayOrder(context, endpoints), hostServers);
  });
  let relay: Promise<NamesRelay> | undefined;
  const context: NetworkContext = {
    store,
    table,
    events,
    log,
    shimPath,
    firewall,
    drivers: createDrivers({ shimPath, engineName: name }),
    addresses: createAddressBook(),
    held: createHeldPorts(options.forwarding),
    zones: createZones(),
    names: () => {
      relay ??= openNamesRelay({ shimPath, socketPath: options.namesSocket, respond });
      return relay;
    },
    namesRuns: () => existsSync(options.namesSocket),
    pools: poolsOf(name, settings.addressPools),
    settings,
    locks: keyedMutex(),
  };
  ensurePredefinedRows(context, name);

  return {
    create: (request) => createNetwork(context, request),
    list: (filters) =>
      table
        .networks()
        .filter(networkFilter(context, filters))
        .map((network) => inspectNetwork(context, network, { containers: false })),
    inspect: (reference) => inspectNetwork(context, findNetwork(context, reference), { containers: true }),
    remove: (reference) => removeNetwork(context, reference),
    prune: (filters) => pruneNetworks(context, filters),
    prepare(request) {
      checkPortsAndHosts(request);
      const endpoints = plannedEndpoints(context, request);
      return () => {
        for (const endpoint of endpoints) table.putEndpoint(endpoint);
      };
    },
    forget(containerId) {
      for (const { networkId } of table.endpointsOf(containerId))
        table.deleteEndpoint(containerId, networkId);
    },
    rename(containerId, containerName) {
      const sandbox = table.sandbox(containerId);
      if (sandbox === undefined) return;
      const renamed = { ...sandbox, containerName };
      table.putSandbox(renamed);
      for (const endpoint of table.endpointsOf(containerId).filter(isLive)) {
        if (endpoint.live.names.length === 0) continue;
        context.zones.remove(endpoint);
        const named = { ...endpoint, live: { ...endpoint.live, names: namesOf(endpoint, renamed) } };
        table.putEndpoint(named);
        context.zones.add(named);
      }
    },
    open: (request) => openSandbox(context, request),
    async enter(containerId, pid) {
      const sandbox = table.sandbox(containerId);
      if (sandbox !== undefined) await openNames(context, sandbox, pid);
    },
    close: (containerId) => closeSandbox(context, containerId),
    connect: (containerId, reference, endpoint, pid) =>
      connectContainer(context, containerId, reference, endpoint, pid),
    disconnect: (containerId, reference, pid) => disconnectContainer(context, containerId, reference, pid),
    disconnectLost(reference, container) {
      const network = findNetwork(context, reference);
      const found = table
        .endpointsIn(network.id)
        .find(({ containerId }) => containerId.startsWith(container));
      if (found === undefined) return false;
      table.deleteEndpoint(found.containerId, network.id);
      return true;
    },
    changePorts: (containerId, change) => changePorts(context, containerId, change),
    describe: (containerId) => describeSandbox(context, containerId),
    explain: (containerId) => explainSandbox(context, containerId),
    preview: (attach, request) => previewSandbox(context, attach, request),
    openPortWarnings: () =>
      settings.publishFilter === "input"
        ? []
        : table
            .sandboxes()
            .flatMap(({ containerName, ports }) =>
              ports
                .filter(({ hostAddress }) => hostAddress === "" || hostAddress === "::")
                .map(
                  ({ hostPort, protocol }) =>
                    `WARNING: port ${hostPort}/${protocol} of container ${containerName} is open on all addresses of this machine`,
                ),
            ),
    reconcile: (live) => reconcileNetworks(context, live),
    forgetUnknown(known) {
      const endpoints = table.networks().flatMap(({ id }) => table.endpointsIn(id));
      options.store.transaction(() => {
        for (const { containerId, networkId } of endpoints)
          if (!known.has(containerId)) table.deleteEndpoint(containerId, networkId);
      });
    },
    async teardown() {
      await firewall.remove();
      for (const network of table.networks()) await context.drivers[network.driver].remove(network);
    },
    async [Symbol.asyncDispose]() {
      context.held.closeAll();
      await firewall[Symbol.asyncDispose]();
      if (relay !== undefined) await (await relay)[Symbol.asyncDispose]();
    },
  };
}

/** What can be found wrong before anything is made. */
function checkPortsAndHosts({ exposedPorts, portBindings, extraHosts, dns }: AttachRequest): void {
  for (const key of exposedPorts) parsePortKey(key);
  parsePorts(portBindings, exposedPorts, false);
  for (const entry of extraHosts)
    if (!isExtraHost(entry)) throw invalid(`bad format for add-host: "${entry}"`);
  for (const address of dns)
    if (isIP(address) === 0) throw invalid(`IP address is not correctly formatted: ${address}`);
}

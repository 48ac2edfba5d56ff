import { existsSync } from "node:fs";
import { messageOf } from "../errors/index.ts";
import type { FilteredNetwork, OpenPort, PublishedPort } from "../firewall/index.ts";
import { requestRoute, setMaster } from "../netlink/index.ts";
import type { NetworkContext } from "./context.ts";
import { interfaceIndex, masterIndex, removeInterface } from "./drivers/index.ts";
import { opened, translated } from "./published/index.ts";
import type { NetworkRecord, SandboxRecord } from "./record.ts";
import {
  closeSandbox,
  finishSandbox,
  holdPorts,
  makeLink,
  namesKey,
  portTarget,
  routedTarget,
} from "./sandbox/index.ts";
import { isLive, type LiveRecord } from "./table.ts";

/**
 * Make kernel and rows agree, whatever happened while the daemon was away: devices of networks are there, containers
 * that ended let go of what they had, links of those that run are on their bridges, ports are held, packet rules and
 * the name server's sockets are what the rows say.
 */
export async function reconcileNetworks(
  context: NetworkContext,
  live: ReadonlyMap<string, number>,
): Promise<void> {
  const { table } = context;
  for (const network of table.networks()) context.addresses.open(network);
  for (const network of table.networks()) await ensure(context, network);
  for (const endpoint of liveEndpoints(context)) {
    context.zones.add(endpoint);
    for (const address of [endpoint.live.ipv4, endpoint.live.ipv6])
      if (address !== undefined) context.addresses.restore(endpoint.networkId, address);
  }
  for (const { containerId } of table.sandboxes())
    if (!live.has(containerId)) await bury(context, containerId);
  for (const sandbox of table.sandboxes()) await restorePorts(context, sandbox);
  await context.held
    .sweep()
    .catch((error) => context.log.warn(`ports of ended containers may still be open: ${messageOf(error)}`));
  for (const sandbox of table.sandboxes()) await mend(context, sandbox, live.get(sandbox.containerId) ?? 0);
  await context.firewall.replace(ruleSet(context));
  await restoreNames(context, live);
}

const liveEndpoints = ({ table }: NetworkContext): LiveRecord[] =>
  table.networks().flatMap(({ id }) => table.endpointsIn(id).filter(isLive));

async function ensure(context: NetworkContext, network: NetworkRecord): Promise<void> {
  try {
    await context.drivers[network.driver].ensure(network);
  } catch (error) {
    // One network whose parent went away is no reason for an engine not to start.
    if (network.predefined) throw error;
    context.log.warn(`network ${network.name} could not be set up: ${messageOf(error)}`);
  }
}

/** A container that ended, or never came to run, while nobody looked. */
async function bury(context: NetworkContext, containerId: string): Promise<void> {
  for (const { live } of context.table.endpointsOf(containerId).filter(isLive))
    if (live.hostInterface !== undefined) await removeInterface(context.shimPath, live.hostInterface);
  await closeSandbox(context, containerId);
}

async function restorePorts(context: NetworkContext, sandbox: SandboxRecord): Promise<void> {
  const endpoints = context.table.endpointsOf(sandbox.containerId).filter(isLive);
  const lost = await context.held.restore(sandbox.containerId, sandbox.ports, portTarget(context, endpoints));
  for (const { hostPort, protocol } of lost) {
    context.log.warn(
      `port ${hostPort}/${protocol} of container ${sandbox.containerName} is in use by another program now`,
    );
  }
}

/**
 * A connect that was cut off may have been the first to a network that can publish ports, and have come before they were
 * taken. It is done once no port of another container can be taken by it.
 */
async function firstPorts(
  context: NetworkContext,
  sandbox: SandboxRecord,
  endpoints: readonly LiveRecord[],
): Promise<SandboxRecord> {
  if (sandbox.ports.length > 0 || !endpoints.some(({ live }) => live.settling === true)) return sandbox;
  try {
    const mended = { ...sandbox, ports: await holdPorts(context, sandbox, endpoints) };
    context.table.putSandbox(mended);
    return mended;
  } catch (error) {
    context.log.warn(
      `ports of container ${sandbox.containerName} could not be published: ${messageOf(error)}`,
    );
    return sandbox;
  }
}

/** A running container: its links on their bridges, its files there, a connect that was cut off finished. */
async function mend(context: NetworkContext, sandbox: SandboxRecord, pid: number): Promise<void> {
  // Of a disconnect only the last step was missing: what a running container has a place in, it has a link for.
  for (const endpoint of context.table.endpointsOf(sandbox.containerId))
    if (!isLive(endpoint)) context.table.deleteEndpoint(sandbox.containerId, endpoint.networkId);
  const endpoints = context.table.endpointsOf(sandbox.containerId).filter(isLive);
  const areFilesThere = Object.values(sandbox.files).every((file) => existsSync(file));
  let isWhole = areFilesThere && endpoints.every(({ live }) => live.settling !== true);
  for (const endpoint of endpoints) {
    try {
      if ((await mendLink(context, endpoint, pid)) === "made") isWhole = false;
    } catch (error) {
      context.log.warn(
        `container ${sandbox.containerName} could not be brought back into network ${endpoint.networkName}: ${messageOf(error)}`,
      );
    }
  }
  if (isWhole) return;
  const current = await firstPorts(context, sandbox, endpoints);
  await finishSandbox(context, current, endpoints, pid).catch((error) =>
    context.log.warn(
      `the network of container ${sandbox.containerName} could not be mended: ${messageOf(error)}`,
    ),
  );
}

async function mendLink(
  context: NetworkContext,
  endpoint: LiveRecord,
  pid: number,
): Promise<"made" | undefined> {
  const network = context.table.network(endpoint.networkId);
  const { hostInterface } = endpoint.live;
  if (network === undefined || hostInterface === undefined) return undefined;
  const bridge = interfaceIndex(context.drivers[network.driver].deviceOf(network) ?? "");
  const index = interfaceIndex(hostInterface);
  if (index === undefined) {
    await using undo = new AsyncDisposableStack();
    await makeLink(context, network, endpoint, pid, undo);
    undo.move();
    return "made";
  }
  if (bridge !== undefined && masterIndex(hostInterface) !== bridge) {
    await requestRoute({ shimPath: context.shimPath }, [setMaster(index, bridge)]);
  }
  return undefined;
}

function ruleSet(context: NetworkContext): {
  networks: FilteredNetwork[];
  published: PublishedPort[];
  open: OpenPort[];
} {
  const { table, drivers } = context;
  const sandboxes = table.sandboxes().map(({ containerId, ports }) => {
    const endpoints = table.endpointsOf(containerId).filter(isLive);
    const target = portTarget(context, endpoints);
    return { ports, target, routed: routedTarget(context, target, endpoints) };
  });
  return {
    networks: table.networks().flatMap((network) => drivers[network.driver].filtered(network) ?? []),
    published:
      context.settings.publishFilter === "input"
        ? []
        : sandboxes.flatMap(({ ports, target }) => translated(ports, target)),
    open: sandboxes.flatMap(({ ports, routed }) => opened(ports, routed)),
  };
}

/** The name server's process knows its namespaces from before; those that are no more are closed. */
async function restoreNames(context: NetworkContext, live: ReadonlyMap<string, number>): Promise<void> {
  const sandboxes = context.table.sandboxes().filter(({ namesPort }) => namesPort !== undefined);
  if (sandboxes.length === 0 && !context.namesRuns()) return;
  const relay = await context.names();
  const failed = await relay.retain(
    sandboxes.map((sandbox) => ({
      key: namesKey(sandbox),
      namespace: `/proc/${live.get(sandbox.containerId)}/ns/net`,
      port: sandbox.namesPort ?? 0,
    })),
  );
  for (const sandbox of sandboxes) {
    if (failed.includes(namesKey(sandbox)))
      context.log.warn(
        `names cannot be looked up in container ${sandbox.containerName} until it is restarted`,
      );
  }
}

import { forbidden, internal } from "../../errors/index.ts";
import {
  addDefaultRoute,
  deleteDefaultRoute,
  deleteLink,
  type KernelRequest,
  NETLINK_ROUTE,
  requestKernel,
  requestRoute,
  withPid,
} from "../../netlink/index.ts";
import type { NetworkContext } from "../context.ts";
import { removeInterface } from "../drivers/index.ts";
import { notifyNetwork } from "../notify.ts";
import type { EndpointRecord, NetworkRecord, SandboxRecord } from "../record.ts";
import { isLive, type LiveRecord, withoutLive } from "../table.ts";
import { allocateEndpoint } from "./allocate.ts";
import { writeSandboxFiles } from "./files.ts";
import { chooseGateways, routeOf } from "./gateways.ts";
import { interfaceRequests, linkOf } from "./interface.ts";
import { kindOf, nameServerRequests, namesKey, randomNamesPort, routeRequests } from "./open.ts";
import { applyPorts, holdPorts, portTarget } from "./ports.ts";

const namespaceOf = (pid: number): string => `/proc/${pid}/ns/net`;

/**
 * Bring a running container into one more network. The row is written before the kernel is touched, so that a crash in
 * between leaves something to mend; on failure all of it is taken back.
 */
export async function plugEndpoint(
  context: NetworkContext,
  sandbox: SandboxRecord,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  pid: number,
): Promise<void> {
  const { table, zones } = context;
  const before = table.endpointsOf(sandbox.containerId).filter(isLive);
  await using undo = new AsyncDisposableStack();
  const added = allocateEndpoint(context, network, endpoint, sandbox, before, undo);
  table.putEndpoint(settling(added));
  undo.defer(() => table.deleteEndpoint(sandbox.containerId, network.id));
  await makeLink(context, network, added, pid, undo);
  zones.add(added);
  undo.defer(() => zones.remove(added));
  await settle(context, sandbox, before, [...before, added], pid);
  table.putEndpoint(added);
  undo.move();
  notifyNetwork(context, network, "connect", sandbox.containerId);
}

/** Take a running container out of a network; the row is the caller's. */
export async function unplugEndpoint(
  context: NetworkContext,
  sandbox: SandboxRecord,
  endpoint: LiveRecord,
  pid: number,
): Promise<void> {
  const { table, zones, addresses } = context;
  const before = table.endpointsOf(sandbox.containerId).filter(isLive);
  const after = before.filter(({ networkId }) => networkId !== endpoint.networkId);
  table.putEndpoint(settling(endpoint));
  zones.remove(endpoint);
  await requestKernel({ shimPath: context.shimPath, namespace: namespaceOf(pid) }, [
    { protocol: NETLINK_ROUTE, message: deleteLink(endpoint.live.interfaceIndex) },
  ]);
  const { hostInterface } = endpoint.live;
  if (hostInterface !== undefined) await removeInterface(context.shimPath, hostInterface);
  table.putEndpoint(withoutLive(endpoint));
  for (const address of [endpoint.live.ipv4, endpoint.live.ipv6])
    if (address !== undefined) addresses.release(endpoint.networkId, address);
  // The routes through the link went with it.
  await settle(context, sandbox, after, after, pid, before);
  notifyNetwork(context, endpoint.networkId, "disconnect", sandbox.containerId);
}

const settling = (endpoint: LiveRecord): LiveRecord => ({
  ...endpoint,
  live: { ...endpoint.live, settling: true },
});
const settled = ({ live: { settling: _settling, ...live }, ...endpoint }: LiveRecord): LiveRecord => ({
  ...endpoint,
  live,
});

/**
 * Bring links, routes, name server and files of a running container to what its rows say, whatever of it is there
 * already: for a connect that was cut off, and after a link was made anew. Safe to repeat.
 */
export async function finishSandbox(
  context: NetworkContext,
  sandbox: SandboxRecord,
  endpoints: readonly LiveRecord[],
  pid: number,
): Promise<void> {
  const { table } = context;
  const links = endpoints.flatMap((endpoint) => {
    const network = table.network(endpoint.networkId);
    return endpoint.live.settling !== true || network === undefined
      ? []
      : interfaceRequests(network, endpoint);
  });
  const kind = kindOf(context, endpoints);
  let current = sandbox;
  if (kind === "named" && sandbox.namesPort === undefined) {
    current = { ...sandbox, namesPort: randomNamesPort() };
    table.putSandbox(current);
  }
  const oldRoutes = endpoints.flatMap((endpoint) =>
    ([4, 6] as const).flatMap((family) => {
      const route = routeOf(context, endpoint, family);
      return route === undefined ? [] : [{ protocol: NETLINK_ROUTE, message: deleteDefaultRoute(route) }];
    }),
  );
  // A second set of the name server's rules finds nothing left to do.
  const requests = [
    ...links,
    ...oldRoutes,
    ...routeRequests(context, endpoints),
    ...(kind === "named" ? nameServerRequests(current) : []),
  ];
  // What is there already, or is gone already, is no failure; the rest shows in what does not work.
  const results = await requestKernel({ shimPath: context.shimPath, namespace: namespaceOf(pid) }, requests);
  const failure = results.find((result) => result !== undefined && !HARMLESS.has(result));
  if (failure !== undefined) throw internal(`the container's network could not be set up: ${failure}`);
  writeSandboxFiles(context, current, kind, endpoints);
  for (const endpoint of endpoints) if (endpoint.live.settling === true) table.putEndpoint(settled(endpoint));
}

const HARMLESS: ReadonlySet<string> = new Set(["EEXIST", "ESRCH", "ENOENT", "ENETUNREACH"]);

/** Make an endpoint's link and set it up inside. */
export async function makeLink(
  context: NetworkContext,
  network: NetworkRecord,
  endpoint: LiveRecord,
  pid: number,
  undo: AsyncDisposableStack,
): Promise<void> {
  const { shimPath } = context;
  const { create, afterwards } = linkOf(context, network, endpoint);
  if (create === undefined) throw forbidden(`network ${network.name} takes no containers that run already`);
  const made = await requestRoute({ shimPath }, [withPid(create, pid), ...afterwards]);
  undo.defer(async () => {
    await requestRoute({ shimPath, namespace: namespaceOf(pid) }, [deleteLink(endpoint.live.interfaceIndex)]);
  });
  await perform(
    context,
    pid,
    interfaceRequests(network, endpoint),
    made.find((failure) => failure !== undefined),
  );
}

/** After the set of networks has changed: default routes, name server, ports and files follow it. */
async function settle(
  context: NetworkContext,
  sandbox: SandboxRecord,
  routed: readonly LiveRecord[],
  after: readonly LiveRecord[],
  pid: number,
  portsBefore: readonly LiveRecord[] = routed,
): Promise<void> {
  await perform(context, pid, routeChanges(context, routed, after, portsBefore));
  const kind = kindOf(context, after);
  let current = sandbox;
  if (kind === "named" && sandbox.namesPort === undefined) {
    current = { ...sandbox, namesPort: randomNamesPort() };
    context.table.putSandbox(current);
    await perform(context, pid, nameServerRequests(current));
    await openNames(context, current, pid);
  }
  await movePorts(context, current, portsBefore, after);
  writeSandboxFiles(context, current, kind, after);
}

/** Default routes that are to go and to come. `gone` are networks whose links are no more, and so their routes. */
function routeChanges(
  context: NetworkContext,
  before: readonly LiveRecord[],
  after: readonly LiveRecord[],
  all: readonly LiveRecord[],
): KernelRequest[] {
  const [old, wanted, earlier] = [before, after, all].map((endpoints) => chooseGateways(context, endpoints));
  return ([4, 6] as const).flatMap((family) => {
    // What led through a link that went is gone; what is left of the old choice is there only if it was chosen then.
    const present = earlier?.[family]?.networkId === old?.[family]?.networkId ? old?.[family] : undefined;
    const next = wanted?.[family];
    if (present?.networkId === next?.networkId) return [];
    const leave = present === undefined ? undefined : routeOf(context, present, family);
    const enter = next === undefined ? undefined : routeOf(context, next, family);
    return [
      ...(leave === undefined ? [] : [{ protocol: NETLINK_ROUTE, message: deleteDefaultRoute(leave) }]),
      ...(enter === undefined ? [] : [{ protocol: NETLINK_ROUTE, message: addDefaultRoute(enter) }]),
    ];
  });
}

/** Ports lead to the network that gives the gateway; the first network with one makes them possible. */
async function movePorts(
  context: NetworkContext,
  sandbox: SandboxRecord,
  before: readonly LiveRecord[],
  after: readonly LiveRecord[],
): Promise<void> {
  const [from, to] = [portTarget(context, before), portTarget(context, after)];
  if (from.ipv4 === to.ipv4 && from.ipv6 === to.ipv6) return;
  await applyPorts(context, "withdraw", sandbox.ports, before);
  context.held.retarget(sandbox.containerId, to);
  const ports = sandbox.ports.length > 0 ? sandbox.ports : await holdPorts(context, sandbox, after);
  if (ports !== sandbox.ports) context.table.putSandbox({ ...sandbox, ports });
  await applyPorts(context, "publish", ports, after);
}

/** Open the name server's sockets in a container's namespace. */
export async function openNames(context: NetworkContext, sandbox: SandboxRecord, pid: number): Promise<void> {
  if (sandbox.namesPort === undefined) return;
  await (await context.names()).open(namesKey(sandbox), namespaceOf(pid), sandbox.namesPort);
}

async function perform(
  context: NetworkContext,
  pid: number,
  requests: readonly KernelRequest[],
  failedBefore?: string,
): Promise<void> {
  if (failedBefore !== undefined) throw internal(`the container's link could not be made: ${failedBefore}`);
  if (requests.length === 0) return;
  const results = await requestKernel({ shimPath: context.shimPath, namespace: namespaceOf(pid) }, requests);
  const at = results.findIndex((failure, index) => {
    const request = requests[index];
    // A kernel without IPv6 has no values for it.
    return failure !== undefined && !(failure === "ENOENT" && request !== undefined && "sysctl" in request);
  });
  if (at >= 0) throw internal(`the container's network could not be set up: ${results[at]}`);
}

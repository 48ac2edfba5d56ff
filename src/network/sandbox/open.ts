import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { notFound } from "../../errors/index.ts";
import {
  addDefaultRoute,
  type KernelRequest,
  LOOPBACK_INDEX,
  linkUp,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  rewritePortsBatch,
} from "../../netlink/index.ts";
import { randomHex } from "../../platform/index.ts";
import type { Operation } from "../../runtime/index.ts";
import { parseIp } from "../../units/index.ts";
import type { NetworkContext } from "../context.ts";
import { notifyNetwork } from "../notify.ts";
import type { NetworkRecord, SandboxRecord, SandboxRequest } from "../record.ts";
import { isLive, type LiveRecord, withoutLive } from "../table.ts";
import { allocateEndpoint } from "./allocate.ts";
import { NAME_SERVER, type SandboxKind, writeSandboxFiles } from "./files.ts";
import { chooseGateways, routeOf } from "./gateways.ts";
import { interfaceRequests, linkOf } from "./interface.ts";
import { applyPorts, holdPorts } from "./ports.ts";

/** Ports of the name server in a namespace: below those that the kernel gives away by itself. */
const NAMES_PORTS = { first: 20_000, last: 32_000 };
export const randomNamesPort = (): number => randomInt(NAMES_PORTS.first, NAMES_PORTS.last);
const DNS_PORT = 53;

/**
 * Everything a container's start needs of its networks: addresses and host ports become rows, packet rules are added,
 * and the operations for the launch plan are returned. On failure nothing is kept. Throws not-found for a network that
 * is gone, forbidden, conflict or internal when an address or a port is taken.
 */
export async function openSandbox(
  context: NetworkContext,
  request: SandboxRequest,
): Promise<readonly Operation[]> {
  const { table, store } = context;
  const { containerId } = request;
  await using undo = new AsyncDisposableStack();
  const endpoints: LiveRecord[] = [];
  for (const endpoint of table.endpointsOf(containerId)) {
    const network = table.network(endpoint.networkId);
    if (network === undefined) throw notFound(`network ${endpoint.networkId} not found`);
    endpoints.push(allocateEndpoint(context, network, endpoint, request, endpoints, undo));
  }
  const kind = kindOf(context, endpoints);
  const ports = await holdPorts(context, request, endpoints);
  undo.defer(() => context.held.release(containerId));
  const sandbox: SandboxRecord = {
    ...request,
    sandboxId: randomHex(32),
    ports,
    ...(kind === "named" ? { namesPort: randomNamesPort() } : {}),
  };
  store.transaction(() => {
    for (const endpoint of endpoints) table.putEndpoint(endpoint);
    table.putSandbox(sandbox);
  });
  undo.defer(() => forgetRows(context, containerId));
  for (const endpoint of endpoints) context.zones.add(endpoint);
  undo.defer(() => {
    for (const endpoint of endpoints) context.zones.remove(endpoint);
  });
  await applyPorts(context, "publish", ports, endpoints);
  undo.defer(() => applyPorts(context, "withdraw", ports, endpoints));
  writeSandboxFiles(context, request, kind, endpoints);
  const operations = kind === "host" ? [] : operationsOf(context, sandbox, endpoints);
  undo.move();
  refreshLinkers(context, request);
  for (const endpoint of endpoints) notifyNetwork(context, endpoint.networkId, "connect", containerId);
  return operations;
}

/** What a container's networks make of it. */
export function kindOf({ table, drivers }: NetworkContext, endpoints: readonly LiveRecord[]): SandboxKind {
  const networks = endpoints.flatMap(({ networkId }) => table.network(networkId) ?? []);
  if (networks.some(({ driver }) => driver === "host")) return "host";
  const connected = networks.filter(({ driver }) => drivers[driver].hasAddresses);
  if (connected.length === 0) return "none";
  return connected.every(({ predefined }) => predefined) ? "default-bridge" : "named";
}

/** The operations that give a container's process its links, addresses and routes. */
export function operationsOf(
  context: NetworkContext,
  sandbox: SandboxRecord,
  endpoints: readonly LiveRecord[],
): Operation[] {
  const connected = endpoints.flatMap((endpoint) => {
    const network = context.table.network(endpoint.networkId);
    return network !== undefined && context.drivers[network.driver].hasAddresses
      ? [{ network, endpoint }]
      : [];
  });
  return [
    ...connected.flatMap(({ network, endpoint }) => linkOperation(context, network, endpoint)),
    ...insideOperations([
      { protocol: NETLINK_ROUTE, message: linkUp(LOOPBACK_INDEX) },
      ...connected.flatMap(({ network, endpoint }) => interfaceRequests(network, endpoint)),
      ...routeRequests(context, endpoints),
      ...nameServerRequests(sandbox),
    ]),
  ];
}

/** The link itself is made from the host's side, once there is a process whose namespace it goes to. */
function linkOperation(context: NetworkContext, network: NetworkRecord, endpoint: LiveRecord): Operation[] {
  const { create, afterwards } = linkOf(context, network, endpoint);
  if (create === undefined) return [];
  return [
    {
      op: "netlink",
      where: "host",
      protocol: NETLINK_ROUTE,
      messages: Buffer.concat([create.message, ...afterwards]),
      pidOffsets: [create.pidOffset],
    },
  ];
}

/** The default routes of both families. */
export function routeRequests(context: NetworkContext, endpoints: readonly LiveRecord[]): KernelRequest[] {
  const gateways = chooseGateways(context, endpoints);
  return ([4, 6] as const).flatMap((family) => {
    const endpoint = gateways[family];
    const route = endpoint === undefined ? undefined : routeOf(context, endpoint, family);
    return route === undefined ? [] : [{ protocol: NETLINK_ROUTE, message: addDefaultRoute(route) }];
  });
}

/** Lets the name server be reached on its well-known port. */
export function nameServerRequests({ namesPort }: SandboxRecord): KernelRequest[] {
  const address = parseIp(NAME_SERVER);
  if (namesPort === undefined || address === undefined) return [];
  const batch = rewritePortsBatch({ address, wellKnown: DNS_PORT, actual: namesPort });
  return [{ protocol: NETLINK_NETFILTER, batch }];
}

/** Requests to the kernel as operations of the container phase; neighbours of one family share an operation. */
function insideOperations(requests: readonly KernelRequest[]): Operation[] {
  const operations: Operation[] = [];
  let messages: Buffer[] = [];
  const flush = () => {
    if (messages.length > 0) operations.push(inside(NETLINK_ROUTE, Buffer.concat(messages)));
    messages = [];
  };
  for (const request of requests) {
    if ("message" in request) {
      messages.push(request.message);
      continue;
    }
    flush();
    if ("batch" in request) operations.push(inside(request.protocol, request.batch));
    // A kernel without IPv6 has no values for it.
    else if (!request.sysctl.startsWith("net/ipv6/") || hasIpv6())
      operations.push({ op: "sysctl", key: request.sysctl, value: request.value });
  }
  flush();
  return operations;
}

const inside = (protocol: number, messages: Buffer): Operation => ({
  op: "netlink",
  where: "container",
  protocol,
  messages,
  pidOffsets: [],
});

/** A number for a sandbox that fits the name server's protocol. */
export const namesKey = ({ sandboxId }: SandboxRecord): bigint => BigInt(`0x${sandboxId.slice(0, 16)}`);

export function forgetRows({ store, table }: NetworkContext, containerId: string): void {
  store.transaction(() => {
    for (const endpoint of table.endpointsOf(containerId)) {
      if (isLive(endpoint)) table.putEndpoint(withoutLive(endpoint));
    }
    table.deleteSandbox(containerId);
  });
}

/** Containers that link to this one get its address of today into their files. */
export function refreshLinkers(
  context: NetworkContext,
  { containerName, containerId }: Pick<SandboxRequest, "containerName" | "containerId">,
): void {
  for (const other of context.table.sandboxes()) {
    const links = other.links.map((link) => link.split(":")[0]?.replace(/^\//, "") ?? "");
    if (
      !links.some((target) => target === containerName || (target !== "" && containerId.startsWith(target)))
    )
      continue;
    const endpoints = context.table.endpointsOf(other.containerId).filter(isLive);
    writeSandboxFiles(context, other, kindOf(context, endpoints), endpoints);
  }
}

const hasIpv6 = (): boolean => existsSync("/proc/sys/net/ipv6");

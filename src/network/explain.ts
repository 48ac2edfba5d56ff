import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { ExplainedRule } from "../firewall/index.ts";
import type { Operation } from "../runtime/index.ts";
import { parsePrefix } from "../units/index.ts";
import { plannedEndpoints } from "./attachments.ts";
import type { NetworkContext } from "./context.ts";
import { subnetOf } from "./drivers/index.ts";
import { opened, parsePorts, translated } from "./published/index.ts";
import type { BoundPort, NetworkRecord, SandboxRecord, SandboxRequest } from "./record.ts";
import {
  allocateEndpoint,
  gatewayText,
  kindOf,
  operationsOf,
  portTarget,
  routedTarget,
} from "./sandbox/index.ts";
import type { AttachRequest, NetworkHop, NetworkPath } from "./service.ts";
import { isLive, type LiveRecord } from "./table.ts";

/** The ways of a container that runs. Empty for one that does not. */
export function explainSandbox(context: NetworkContext, containerId: string): NetworkPath[] {
  const sandbox = context.table.sandbox(containerId);
  const endpoints = context.table.endpointsOf(containerId).filter(isLive);
  return pathsOf(context, sandbox?.ports ?? [], endpoints);
}

/**
 * The ways that a container would have if it were started now, and the operations that would make them. Nothing is kept:
 * addresses are taken in memory and given back before this returns, no row is written, no port is held.
 */
export function previewSandbox(
  context: NetworkContext,
  attach: AttachRequest,
  request: SandboxRequest,
): { operations: readonly Operation[]; paths: NetworkPath[] } {
  using taken = new DisposableStack();
  const known = context.table.endpointsOf(request.containerId);
  const endpoints: LiveRecord[] = [];
  for (const endpoint of known.length > 0 ? known : plannedEndpoints(context, attach)) {
    const network = context.table.network(endpoint.networkId);
    if (network !== undefined)
      endpoints.push(allocateEndpoint(context, network, endpoint, request, endpoints, taken));
  }
  const ports = parsePorts(request.portBindings, request.exposedPorts, request.publishAll).map(
    ({ hostAddress, range, protocol, containerPort }): BoundPort => ({
      hostAddress,
      hostPort: range?.first ?? 0,
      protocol,
      containerPort,
    }),
  );
  const sandbox: SandboxRecord = { ...request, sandboxId: "", ports };
  return {
    operations: kindOf(context, endpoints) === "host" ? [] : operationsOf(context, sandbox, endpoints),
    paths: pathsOf(context, ports, endpoints),
  };
}

function pathsOf(
  context: NetworkContext,
  ports: readonly BoundPort[],
  endpoints: readonly LiveRecord[],
): NetworkPath[] {
  return endpoints.flatMap((endpoint) => {
    const network = context.table.network(endpoint.networkId);
    if (network === undefined) return [];
    return [
      {
        network: network.name,
        driver: network.driver,
        hops: hopsOf(context, network, endpoint, ports, endpoints),
      },
    ];
  });
}

function hopsOf(
  context: NetworkContext,
  network: NetworkRecord,
  endpoint: LiveRecord,
  ports: readonly BoundPort[],
  all: readonly LiveRecord[],
): NetworkHop[] {
  const { drivers } = context;
  const driver = drivers[network.driver];
  if (network.driver === "host") return [...outside("the container uses the host's interfaces themselves")];
  if (network.driver === "null")
    return [{ where: "container", what: "interface", name: "lo", detail: "127.0.0.1, leads nowhere else" }];
  const { live } = endpoint;
  const own: NetworkHop = {
    where: "container",
    what: "interface",
    name: live.interfaceName,
    detail: [...addressesOf(network, live), `MAC ${live.mac}`, ...gatewaysOf(context, network, live)].join(
      ", ",
    ),
  };
  const device = driver.deviceOf(network) ?? "";
  if (live.hostInterface === undefined)
    return [
      own,
      {
        where: "host",
        what: "parent",
        name: device,
        detail: `${network.driver}: frames leave through it as they are`,
      },
    ];
  const subnets = network.subnets.map(({ subnet, gateway }) => `${gateway ?? "no address"} in ${subnet}`);
  return [
    own,
    {
      where: "host",
      what: "veth",
      name: live.hostInterface,
      detail: "the other end of the same cable, a port of the bridge",
    },
    {
      where: "host",
      what: "bridge",
      name: device,
      detail: `a switch in the kernel; the host's address on it is ${subnets.join(", ")}`,
    },
    ...portsOf(context, ports, all, endpoint),
    ...rulesOf(context, network, ports, all, endpoint).map(
      ({ chain, rule }): NetworkHop => ({ where: "host", what: "rule", name: chain, detail: rule }),
    ),
    ...(network.internal ? [] : outside("where the host's default route leads")),
  ];
}

function addressesOf(network: NetworkRecord, live: LiveRecord["live"]): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const address = family === 4 ? live.ipv4 : live.ipv6;
    const length = parsePrefix(subnetOf(network, family)?.subnet ?? "")?.length;
    return address === undefined ? [] : [`${address}/${length ?? ""}`];
  });
}

function gatewaysOf(context: NetworkContext, network: NetworkRecord, live: LiveRecord["live"]): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const gateway = gatewayText(context, network, family);
    const has = (family === 4 ? live.ipv4 : live.ipv6) !== undefined;
    return gateway === "" || !has ? [] : [`default route via ${gateway}`];
  });
}

/** Published ports lead to one of a container's networks. */
const isTarget = (context: NetworkContext, all: readonly LiveRecord[], { live }: LiveRecord): boolean => {
  const target = portTarget(context, all);
  return (
    (target.ipv4 !== undefined && target.ipv4 === live.ipv4) ||
    (target.ipv6 !== undefined && target.ipv6 === live.ipv6)
  );
};

function portsOf(
  context: NetworkContext,
  ports: readonly BoundPort[],
  all: readonly LiveRecord[],
  endpoint: LiveRecord,
): NetworkHop[] {
  if (!isTarget(context, all, endpoint)) return [];
  return ports.map(({ hostAddress, hostPort, protocol, containerPort }) => ({
    where: "host",
    what: "port",
    name: `${hostPort === 0 ? "a free port" : hostPort}/${protocol}`,
    detail: `${hostAddress === "" ? "on all addresses" : `on ${hostAddress}`}, leads to port ${containerPort} of the container`,
  }));
}

function rulesOf(
  context: NetworkContext,
  network: NetworkRecord,
  ports: readonly BoundPort[],
  all: readonly LiveRecord[],
  endpoint: LiveRecord,
): ExplainedRule[] {
  const filtered = context.drivers[network.driver].filtered(network);
  if (filtered === undefined) return [];
  const led = isTarget(context, all, endpoint) ? ports.filter(({ hostPort }) => hostPort !== 0) : [];
  const target = portTarget(context, all);
  const published = context.settings.publishFilter === "input" ? [] : translated(led, target);
  return context.firewall.explain({
    networks: [filtered],
    published,
    open: opened(led, routedTarget(context, target, all)),
  });
}

/** The interface of the host's default route (proc_pid_net(5), route), with its addresses. */
function outside(detail: string): NetworkHop[] {
  const line = readFileSync("/proc/net/route", "utf8")
    .split("\n")
    .map((text) => text.split("\t"))
    .find(([, destination, , flags]) => destination === "00000000" && (Number(`0x${flags}`) & 1) === 1);
  const name = line?.[0];
  if (name === undefined) return [];
  const addresses = (networkInterfaces()[name] ?? []).map(({ cidr, address }) => cidr ?? address);
  return [
    {
      where: "host",
      what: "interface",
      name,
      detail: [...addresses, detail].join(", "),
    },
  ];
}

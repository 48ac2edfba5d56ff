import type { NetworkContext } from "../context.ts";
import { gatewayMode, OPTION } from "../drivers/index.ts";
import { opened, type PortRequest, type PortTarget, parsePorts, translated } from "../published/index.ts";
import type { BoundPort, SandboxRequest } from "../record.ts";
import type { LiveRecord } from "../table.ts";
import { chooseGateways } from "./gateways.ts";

/** Whose addresses published ports lead to: those of the networks that the default routes lead into. */
export function portTarget(context: NetworkContext, endpoints: readonly LiveRecord[]): PortTarget {
  const gateways = chooseGateways(
    context,
    endpoints.filter((endpoint) => publishes(context, endpoint)),
  );
  const [ipv4, ipv6] = [gateways[4]?.live.ipv4, gateways[6]?.live.ipv6];
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
}

function publishes({ table, drivers }: NetworkContext, { networkId }: LiveRecord): boolean {
  const network = table.network(networkId);
  return network !== undefined && !network.internal && drivers[network.driver].publishes;
}

/** Take the ports that a container asks for; none where no network of its could lead to them. */
export async function holdPorts(
  context: NetworkContext,
  request: Pick<
    SandboxRequest,
    "containerId" | "containerName" | "portBindings" | "exposedPorts" | "publishAll"
  >,
  endpoints: readonly LiveRecord[],
): Promise<BoundPort[]> {
  const target = portTarget(context, endpoints);
  if (target.ipv4 === undefined && target.ipv6 === undefined) return [];
  const requests = parsePorts(request.portBindings, request.exposedPorts, request.publishAll).map((port) =>
    withDefaultAddress(context, port, endpoints),
  );
  const { endpointId = "" } = gatewayEndpoint(context, endpoints)?.live ?? {};
  return context.held.hold(request.containerId, requests, target, `${request.containerName} (${endpointId})`);
}

const gatewayEndpoint = (context: NetworkContext, endpoints: readonly LiveRecord[]) => {
  const gateways = chooseGateways(
    context,
    endpoints.filter((endpoint) => publishes(context, endpoint)),
  );
  return gateways[4] ?? gateways[6];
};

/** A port without an address of the host gets the network's default, or the engine's. */
function withDefaultAddress(
  context: NetworkContext,
  port: PortRequest,
  endpoints: readonly LiveRecord[],
): PortRequest {
  if (port.hostAddress !== "" || port.anyAddress) return port;
  const network = context.table.network(gatewayEndpoint(context, endpoints)?.networkId ?? "");
  // The default bridge has no word of its own.
  const own = network?.predefined === true ? undefined : network?.options[OPTION.hostAddress];
  const given = own ?? context.settings.defaultHostAddress;
  return given === "0.0.0.0" ? port : { ...port, hostAddress: given };
}

/** Put a container's ports into the packet rules, or take them out again. */
export async function applyPorts(
  context: NetworkContext,
  verb: "publish" | "withdraw",
  ports: readonly BoundPort[],
  endpoints: readonly LiveRecord[],
): Promise<void> {
  if (ports.length === 0) return;
  const target = portTarget(context, endpoints);
  const routed = routedTarget(context, target, endpoints);
  // When the host's rules for its own ports are to decide, packets have to come to those ports.
  const published = context.settings.publishFilter === "input" ? [] : translated(ports, target);
  await context.firewall[verb](published, opened(ports, routed));
}

/** The addresses among a target's that may be reached from outside as they are. */
export function routedTarget(
  { table }: NetworkContext,
  target: PortTarget,
  endpoints: readonly LiveRecord[],
): PortTarget {
  const isRouted = (family: 4 | 6, address: string | undefined) =>
    endpoints.some(({ networkId, live }) => {
      const network = table.network(networkId);
      const own = family === 4 ? live.ipv4 : live.ipv6;
      return own === address && network !== undefined && gatewayMode(network, family) === "routed";
    });
  return {
    ...(target.ipv4 !== undefined && isRouted(4, target.ipv4) ? { ipv4: target.ipv4 } : {}),
    ...(target.ipv6 !== undefined && isRouted(6, target.ipv6) ? { ipv6: target.ipv6 } : {}),
  };
}

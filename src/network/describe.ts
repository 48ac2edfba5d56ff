import { parsePrefix } from "../units/index.ts";
import type { EndpointSettings } from "../wire/index.ts";
import type { NetworkContext } from "./context.ts";
import { subnetOf } from "./drivers/index.ts";
import { portMap } from "./published/index.ts";
import type { EndpointRecord } from "./record.ts";
import { gatewayText } from "./sandbox/index.ts";
import type { SandboxDescription } from "./service.ts";

/** A container's networks and ports, as inspect and lists show them. */
export function describeSandbox(context: NetworkContext, containerId: string): SandboxDescription {
  const sandbox = context.table.sandbox(containerId);
  const endpoints = context.table.endpointsOf(containerId);
  return {
    sandboxId: sandbox?.sandboxId ?? "",
    networks: Object.fromEntries(
      endpoints.map((endpoint) => [endpoint.networkName, settingsOf(context, endpoint)]),
    ),
    ports: sandbox === undefined ? {} : portMap(sandbox.exposedPorts, sandbox.ports),
    bound: sandbox?.ports ?? [],
  };
}

function settingsOf(context: NetworkContext, { networkId, config, live }: EndpointRecord): EndpointSettings {
  const network = context.table.network(networkId);
  const length = (family: 4 | 6) =>
    network === undefined ? 0 : (parsePrefix(subnetOf(network, family)?.subnet ?? "")?.length ?? 0);
  const gateway = (family: 4 | 6) => (network === undefined ? "" : gatewayText(context, network, family));
  const { ipv4, ipv6 } = live ?? {};
  return {
    IPAMConfig:
      config.ipv4 === undefined && config.ipv6 === undefined && config.linkLocal.length === 0
        ? null
        : {
            ...(config.ipv4 === undefined ? {} : { IPv4Address: config.ipv4 }),
            ...(config.ipv6 === undefined ? {} : { IPv6Address: config.ipv6 }),
            ...(config.linkLocal.length === 0 ? {} : { LinkLocalIPs: [...config.linkLocal] }),
          },
    Links: config.links.length === 0 ? null : [...config.links],
    Aliases: config.aliases.length === 0 ? null : [...config.aliases],
    MacAddress: live?.mac ?? config.mac ?? "",
    DriverOpts: Object.keys(config.driverOptions).length === 0 ? null : { ...config.driverOptions },
    GwPriority: config.gatewayPriority,
    NetworkID: networkId,
    EndpointID: live?.endpointId ?? "",
    Gateway: ipv4 === undefined ? "" : gateway(4),
    IPAddress: ipv4 ?? "",
    IPPrefixLen: ipv4 === undefined ? 0 : length(4),
    IPv6Gateway: ipv6 === undefined ? "" : gateway(6),
    GlobalIPv6Address: ipv6 ?? "",
    GlobalIPv6PrefixLen: ipv6 === undefined ? 0 : length(6),
    DNSNames: live === undefined || live.names.length === 0 ? null : [...live.names],
  };
}

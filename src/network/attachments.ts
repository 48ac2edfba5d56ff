import { invalid } from "../errors/index.ts";
import { formatIp, parseIp, parsePrefix, prefixContains } from "../units/index.ts";
import type { EndpointSettings } from "../wire/index.ts";
import type { NetworkContext } from "./context.ts";
import { subnetOf } from "./drivers/index.ts";
import { linkLocalPrefix } from "./link-local.ts";
import { findNetwork } from "./networks/index.ts";
import type { EndpointConfig, EndpointRecord, NetworkRecord } from "./record.ts";
import type { AttachRequest } from "./service.ts";

/**
 * The networks that a container is made with, checked: the one of its network mode first, the others by priority and
 * name. Nothing is written. Throws not-found, invalid or forbidden in Docker's words.
 */
export function plannedEndpoints(context: NetworkContext, request: AttachRequest): EndpointRecord[] {
  const main = findNetwork(context, request.mode);
  const given = new Map<string, { network: NetworkRecord; settings: Partial<EndpointSettings> }>();
  for (const [reference, settings] of Object.entries(request.endpoints)) {
    const network = findNetwork(context, reference);
    given.set(network.id, { network, settings });
  }
  const others = [...given.values()]
    .filter(({ network }) => network.id !== main.id)
    .sort(
      (a, b) =>
        (b.settings.GwPriority ?? 0) - (a.settings.GwPriority ?? 0) ||
        (a.network.name < b.network.name ? -1 : 1),
    );
  const all = [{ network: main, settings: given.get(main.id)?.settings ?? {} }, ...others];
  if (all.length > 1) for (const { network } of all) refuseAlone(network);
  return all.map(({ network, settings }, position) => {
    const own =
      network.id === main.id && request.mac !== undefined
        ? { MacAddress: request.mac, ...nonEmptyMac(settings) }
        : {};
    const links = network.id === main.id && !network.predefined ? request.links : [];
    return endpointOf(request.containerId, network, { ...settings, ...own }, position, links);
  });
}

const nonEmptyMac = ({ MacAddress }: Partial<EndpointSettings>) => (MacAddress ? { MacAddress } : {});

/** A container's place in a network, from the settings of a request. Throws invalid in Docker's words. */
export function endpointOf(
  containerId: string,
  network: NetworkRecord,
  settings: Partial<EndpointSettings>,
  position: number,
  links: readonly string[] = [],
): EndpointRecord {
  const config = configOf(settings, links);
  checkConfig(network, config);
  return { containerId, networkId: network.id, networkName: network.name, position, config };
}

function configOf(settings: Partial<EndpointSettings>, links: readonly string[]): EndpointConfig {
  const { IPAMConfig: ipam, MacAddress: mac } = settings;
  return {
    ...(ipam?.IPv4Address ? { ipv4: ipam.IPv4Address } : {}),
    ...(ipam?.IPv6Address ? { ipv6: ipam.IPv6Address } : {}),
    linkLocal: ipam?.LinkLocalIPs ?? [],
    ...(mac ? { mac } : {}),
    aliases: settings.Aliases ?? [],
    links: [...(settings.Links ?? []), ...links],
    driverOptions: settings.DriverOpts ?? {},
    gatewayPriority: settings.GwPriority ?? 0,
  };
}

function checkConfig(network: NetworkRecord, config: EndpointConfig): void {
  const problem = (sentence: string) =>
    invalid(`invalid config for network ${network.name}: invalid endpoint settings:\n${sentence}`);
  for (const text of config.linkLocal) {
    const address = parseIp(text);
    if (address === undefined || linkLocalPrefix(address) === undefined)
      throw invalid(`invalid link local IP address: ${text}`);
    if (address.family === 6 && !network.enableIPv6)
      throw problem(`the link-local address ${text} needs a network with IPv6`);
  }
  if (config.mac !== undefined && !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(config.mac))
    throw invalid(`invalid MAC address: ${config.mac}`);
  if (config.mac !== undefined && network.driver === "host")
    throw invalid("conflicting options: mac-address and the network mode");
  const wanted = [config.ipv4, config.ipv6].filter((address) => address !== undefined);
  if (network.predefined && wanted.length > 0)
    throw problem("user specified IP address is supported on user defined networks only");
  if (network.predefined && config.aliases.length > 0)
    throw problem("network-scoped aliases are only supported for user-defined networks");
  for (const [family, text] of [
    [4, config.ipv4],
    [6, config.ipv6],
  ] as const) {
    if (text === undefined) continue;
    const address = parseIp(text);
    if (address?.family !== family) throw problem(`invalid IPv${family} address: ${text}`);
    const subnet = subnetOf(network, family);
    if (subnet !== undefined && !subnet.given)
      throw problem(
        "user specified IP address is supported only when connecting to networks with user configured subnets",
      );
    const prefix = parsePrefix(subnet?.subnet ?? "");
    if (prefix === undefined || !prefixContains(prefix, address))
      throw problem(`no configured subnet contains IP address ${formatIp(address)}`);
  }
}

/** host and none go with no other network. */
export function refuseAlone({ driver }: NetworkRecord): void {
  if (driver === "host")
    throw invalid("container cannot be disconnected from host network or connected to host network");
  if (driver === "null")
    throw invalid(
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
}

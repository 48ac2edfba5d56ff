import { invalid } from "../../errors/index.ts";
import { addAddress, type KernelRequest, linkUp, NETLINK_ROUTE, type PeerLink } from "../../netlink/index.ts";
import { parseIp, parsePrefix } from "../../units/index.ts";
import type { NetworkContext } from "../context.ts";
import { type LinkPlan, OPTION, subnetOf } from "../drivers/index.ts";
import { linkLocalPrefix } from "../link-local.ts";
import type { EndpointConfig, NetworkRecord } from "../record.ts";
import type { LiveRecord } from "../table.ts";

/** Of the first interface in its namespace; above whatever fallback devices a kernel puts into new namespaces. */
const FIRST_INDEX = 10;
const DEFAULT_MTU = 1500;

/** Name and index for the next interface of a container that has these already. Throws invalid for a name in use. */
export function nextInterface(
  network: NetworkRecord,
  config: EndpointConfig,
  others: readonly LiveRecord[],
): { name: string; index: number } {
  const usedNames = new Set(others.map(({ live }) => live.interfaceName));
  const usedIndexes = new Set(others.map(({ live }) => live.interfaceIndex));
  const prefix = network.options[OPTION.interfacePrefix] || "eth";
  let number = 0;
  while (usedNames.has(`${prefix}${number}`)) number++;
  let index = FIRST_INDEX;
  while (usedIndexes.has(index)) index++;
  const name = config.driverOptions[OPTION.interfaceName] ?? `${prefix}${number}`;
  if (usedNames.has(name)) throw invalid(`the interface name ${name} is used twice`);
  if (name === "lo" || !/^[^\s/:]{1,15}$/.test(name)) throw invalid(`invalid interface name: ${name}`);
  return { name, index };
}

/** How the endpoint's link is made. */
export function linkOf(context: NetworkContext, network: NetworkRecord, { live }: LiveRecord): LinkPlan {
  const peer: PeerLink = {
    name: live.interfaceName,
    index: live.interfaceIndex,
    mac: live.mac,
    mtu: DEFAULT_MTU,
  };
  return context.drivers[network.driver].link(network, peer, live.hostInterface ?? "");
}

/** What is done to the link inside of the container's namespace: its values, its addresses, and up. */
export function interfaceRequests(network: NetworkRecord, { live, config }: LiveRecord): KernelRequest[] {
  const { interfaceName: name, interfaceIndex: index } = live;
  const addresses = ([4, 6] as const).flatMap((family) => {
    const address = parseIp((family === 4 ? live.ipv4 : live.ipv6) ?? "");
    const prefix = parsePrefix(subnetOf(network, family)?.subnet ?? "");
    if (address === undefined || prefix === undefined) return [];
    return [{ protocol: NETLINK_ROUTE, message: addAddress(index, address, prefix.length) }];
  });
  const linkLocal = config.linkLocal.flatMap((text) => {
    const address = parseIp(text);
    const length = address === undefined ? undefined : linkLocalPrefix(address);
    if (address === undefined || length === undefined) return [];
    return [{ protocol: NETLINK_ROUTE, message: addAddress(index, address, length) }];
  });
  return [
    { sysctl: `net/ipv6/conf/${name}/disable_ipv6`, value: live.ipv6 === undefined ? "1" : "0" },
    // Neighbours that knew the address with another MAC are told of the new one.
    { sysctl: `net/ipv4/conf/${name}/arp_notify`, value: "1" },
    ...(live.ipv6 === undefined ? [] : [{ sysctl: `net/ipv6/conf/${name}/ndisc_notify`, value: "1" }]),
    ...addresses,
    ...linkLocal,
    { protocol: NETLINK_ROUTE, message: linkUp(index) },
  ];
}

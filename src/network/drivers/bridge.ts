import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { internal, invalid } from "../../errors/index.ts";
import type { FilteredNetwork, GatewayMode } from "../../firewall/index.ts";
import {
  addAddress,
  createBridge,
  createVeth,
  linkUp,
  type PeerLink,
  type PortFlags,
  requestRoute,
  setPortFlags,
} from "../../netlink/index.ts";
import { parseIp, parsePrefix } from "../../units/index.ts";
import type { NetworkRecord } from "../record.ts";
import { type DriverOptions, type LinkPlan, type NetworkDriver, OPTION, subnetOf } from "./driver.ts";
import { ensureLink, randomMac, removeInterface, requireInterface, setSysctl } from "./host-side.ts";

const GATEWAY_MODES = new Set(["", "nat", "nat-unprotected", "routed", "isolated"]);
const LONGEST_INTERFACE_NAME = 15;
const BOOLEANS = [OPTION.interContainer, OPTION.masquerade, OPTION.inhibitIpv4] as const;

/** A bridge of the kernel for each network, with a veth for each endpoint. */
export function createBridgeDriver({ shimPath, engineName }: DriverOptions): NetworkDriver {
  const deviceOf = ({ id, options, predefined }: NetworkRecord) =>
    predefined ? `${engineName}0` : options[OPTION.bridgeName] || `br-${id.slice(0, 12)}`;
  return {
    name: "bridge",
    hasAddresses: true,
    publishes: true,
    hasHostEnd: true,
    ownsGateway: true,
    deviceOf,
    validate,
    async ensure(network) {
      const name = deviceOf(network);
      const index = await ensureLink(shimPath, name, createBridge(name, randomMac(), mtuOf(network)));
      const addresses = network.subnets.flatMap((subnet) => {
        const [gateway, prefix] = [parseIp(subnet.gateway ?? ""), parsePrefix(subnet.subnet)];
        if (gateway === undefined || prefix === undefined || !hasOwnAddress(network, subnet.family))
          return [];
        return [{ text: subnet.gateway, message: addAddress(index, gateway, prefix.length) }];
      });
      setSysctl(`net/ipv6/conf/${name}/disable_ipv6`, network.enableIPv6 ? "0" : "1");
      const [up, ...given] = await requestRoute({ shimPath }, [
        linkUp(index),
        ...addresses.map(({ message }) => message),
      ]);
      if (up !== undefined) throw internal(`the bridge ${name} could not be set up: ${up}`);
      const failed = given.findIndex((failure) => failure !== undefined && failure !== "EEXIST");
      if (failed >= 0)
        throw internal(`the bridge ${name} could not be given ${addresses[failed]?.text}: ${given[failed]}`);
      if (!network.internal) {
        setSysctl("net/ipv4/ip_forward", "1");
        if (network.enableIPv6) setSysctl("net/ipv6/conf/all/forwarding", "1");
      }
      // Published ports are reached from the host's own loopback by translation, which needs packets from 127/8 on the bridge.
      setSysctl(`net/ipv4/conf/${name}/route_localnet`, "1");
      setSysctl(`net/ipv6/conf/${name}/accept_ra`, "0");
    },
    remove: (network) => removeInterface(shimPath, deviceOf(network)),
    link(network, peer: PeerLink, hostName): LinkPlan {
      // Both indexes have to be given for the peer's to be taken; the host's is drawn from a range nobody counts up to.
      const hostIndex = randomInt(0x1000_0000, 0x4000_0000);
      return {
        create: createVeth({
          hostName,
          hostIndex,
          bridgeIndex: requireInterface(deviceOf(network)),
          peer: { ...peer, mtu: mtuOf(network) || peer.mtu },
        }),
        afterwards: portFlags(hostIndex, {
          // What is on one bridge meets without passing the packet filter; so the bridge itself keeps them apart.
          isolated: !interContainer(network),
          // Then a port published by a container and used by itself is translated while it is still on the bridge.
          hairpin: existsSync(BRIDGE_FILTER),
        }),
      };
    },
    gateway(network, family) {
      if (network.internal) return undefined;
      return subnetOf(network, family)?.gateway;
    },
    filtered(network): FilteredNetwork {
      return {
        bridge: deviceOf(network),
        internal: network.internal,
        interContainer: interContainer(network),
        subnets: network.subnets.map(({ family, subnet }) => {
          const mode = gatewayMode(network, family);
          return {
            family,
            subnet,
            mode,
            masquerade: isOn(network, OPTION.masquerade, true) && mode !== "routed",
          };
        }),
      };
    },
  };
}

/** There where packets on bridges pass the packet filter, as other engines want it (br_netfilter). */
const BRIDGE_FILTER = "/proc/sys/net/bridge/bridge-nf-call-iptables";

const portFlags = (index: number, flags: PortFlags): Buffer[] =>
  flags.isolated || flags.hairpin ? [setPortFlags(index, flags)] : [];

export const mtuOf = ({ options }: NetworkRecord): number => Number(options[OPTION.mtu] ?? 0);

export function gatewayMode({ options }: NetworkRecord, family: 4 | 6): GatewayMode {
  const text = options[family === 4 ? OPTION.gatewayMode4 : OPTION.gatewayMode6] ?? "";
  return text === "nat-unprotected" || text === "routed" || text === "isolated" ? text : "nat";
}

function isOn({ options }: NetworkRecord, option: string, fallback: boolean): boolean {
  const text = options[option];
  return text === undefined ? fallback : isTrue(text);
}

const isTrue = (text: string): boolean => /^(1|t|true)$/i.test(text);
const interContainer = (network: NetworkRecord) => isOn(network, OPTION.interContainer, true);

function hasOwnAddress(network: NetworkRecord, family: 4 | 6): boolean {
  if (family === 4 && isOn(network, OPTION.inhibitIpv4, false)) return false;
  return !(network.internal && gatewayMode(network, family) === "isolated");
}

function validate(network: NetworkRecord): void {
  const { options } = network;
  for (const option of BOOLEANS) {
    const value = options[option];
    if (value !== undefined && !/^(1|0|t|f|true|false)$/i.test(value))
      throw invalid(`failed to parse ${option} value: "${value}" (invalid syntax)`);
  }
  const mtu = options[OPTION.mtu];
  if (
    mtu !== undefined &&
    (!/^\d+$/.test(mtu) || Number(mtu) > 65_535 || (Number(mtu) > 0 && Number(mtu) < 68))
  )
    throw invalid(`invalid MTU number: ${mtu}`);
  for (const [family, option] of [
    [4, OPTION.gatewayMode4],
    [6, OPTION.gatewayMode6],
  ] as const) {
    const mode = options[option] ?? "";
    if (!GATEWAY_MODES.has(mode)) throw invalid(`unknown gateway mode ${mode}`);
    if (mode === "isolated" && !network.internal)
      throw invalid("gateway mode 'isolated' can only be used for an internal network");
    if (family === 6 && mode !== "" && !network.enableIPv6)
      throw invalid("a gateway mode of IPv6 needs a network with IPv6");
  }
  const address = options[OPTION.hostAddress];
  if (address !== undefined && isIP(address) !== 4)
    throw invalid(`failed to parse ${OPTION.hostAddress} value: ${address} (invalid IPv4 address)`);
  const name = options[OPTION.bridgeName];
  if (name !== undefined && (name.length > LONGEST_INTERFACE_NAME || !/^[^/\s:"]+$/.test(name)))
    throw invalid(`invalid name of a bridge: "${name}"`);
}

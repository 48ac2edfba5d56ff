import type { FilteredNetwork } from "../../firewall/index.ts";
import type { MessageForPid, PeerLink } from "../../netlink/index.ts";
import type { DriverName, NetworkRecord } from "../record.ts";

/** How an endpoint's link comes into a container's namespace: messages for the engine's own namespace. */
export interface LinkPlan {
  /** Undefined where the driver makes no link. */
  readonly create?: MessageForPid;
  /** To be sent after it. */
  readonly afterwards: readonly Buffer[];
}

/** What one kind of network does in the kernel. Addresses, names and ports are not its concern. */
export interface NetworkDriver {
  readonly name: DriverName;
  /** Whether its networks have subnets and its endpoints addresses. */
  readonly hasAddresses: boolean;
  /** Whether ports can be published from it. */
  readonly publishes: boolean;
  /** Check a network to be made; throws invalid for options that it cannot do. */
  validate(network: NetworkRecord): void;
  /** Make what the network needs on the host be there and as it should. Safe to repeat. */
  ensure(network: NetworkRecord): Promise<void>;
  /** Remove it again; no error when it is not there. */
  remove(network: NetworkRecord): Promise<void>;
  /** The link of one endpoint. `hostName` is the name for an end that stays with the host. */
  link(network: NetworkRecord, peer: PeerLink, hostName: string): LinkPlan;
  /** Whether an end of the link stays with the host. */
  readonly hasHostEnd: boolean;
  /** The gateway that a container's default route goes to: an address, "device" for the link itself, or none. */
  gateway(network: NetworkRecord, family: 4 | 6): string | "device" | undefined;
  /** Whether the gateway's address is the host's own. */
  readonly ownsGateway: boolean;
  /** What the packet filter has to know; undefined where it has no say. */
  filtered(network: NetworkRecord): FilteredNetwork | undefined;
  /** Name of its device on the host, for inspect and events. */
  deviceOf(network: NetworkRecord): string | undefined;
}

export interface DriverOptions {
  readonly shimPath: string;
  /** The default bridge is NAME0. */
  readonly engineName: string;
}

/** Options that Docker's clients give; the prefix is left out in this code. */
export const OPTION = {
  bridgeName: "com.docker.network.bridge.name",
  interContainer: "com.docker.network.bridge.enable_icc",
  masquerade: "com.docker.network.bridge.enable_ip_masquerade",
  hostAddress: "com.docker.network.bridge.host_binding_ipv4",
  gatewayMode4: "com.docker.network.bridge.gateway_mode_ipv4",
  gatewayMode6: "com.docker.network.bridge.gateway_mode_ipv6",
  inhibitIpv4: "com.docker.network.bridge.inhibit_ipv4",
  defaultBridge: "com.docker.network.bridge.default_bridge",
  mtu: "com.docker.network.driver.mtu",
  interfacePrefix: "com.docker.network.container_iface_prefix",
  interfaceName: "com.docker.network.endpoint.ifname",
} as const;

/** The subnet of one family. */
export const subnetOf = (network: NetworkRecord, family: 4 | 6) =>
  network.subnets.find((subnet) => subnet.family === family);

import { attribute, message, NLM_F_CREATE, NLM_F_EXCL, nested, text, u32 } from "./message.ts";

/** rtnetlink(7): links, addresses and routes of IPv4. All functions give whole messages for NETLINK_ROUTE. */
export const NETLINK_ROUTE = 0;

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_NEWROUTE = 24;
const AF_UNSPEC = 0;
const AF_INET = 2;
const IFF_UP = 1;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_PID = 19;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;

/** Index of the loopback interface in every network namespace. */
export const LOOPBACK_INDEX = 1;

function linkHead(index: number, up: boolean): Buffer {
  const head = Buffer.alloc(16);
  head[0] = AF_UNSPEC;
  head.writeInt32LE(index, 4);
  head.writeUInt32LE(up ? IFF_UP : 0, 8);
  head.writeUInt32LE(up ? IFF_UP : 0, 12);
  return head;
}

export const ipv4Bytes = (address: string): Buffer => Buffer.from(address.split(".").map(Number));
export const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(":", ""), "hex");

export interface VethPair {
  readonly hostName: string;
  readonly hostIndex: number;
  /** Index of the bridge that the host's end joins. */
  readonly bridgeIndex: number;
  readonly peerName: string;
  readonly peerIndex: number;
  readonly peerMac: string;
  readonly mtu: number;
}

/**
 * Both ends of a veth in one message: the host's end up and on its bridge, the other down and in the namespace of a
 * process.
 * `pidOffset` is where the pid of that process has to be written.
 */
export function createVeth(pair: VethPair): { message: Buffer; pidOffset: number } {
  const marker = 0x7ffffffe;
  const peer = nested(
    VETH_INFO_PEER,
    // Not up: the kernel opens the peer before it pairs the two, and an end alone cannot be opened (veth.c: ENOTCONN).
    linkHead(pair.peerIndex, false),
    attribute(IFLA_IFNAME, text(pair.peerName)),
    attribute(IFLA_ADDRESS, macBytes(pair.peerMac)),
    attribute(IFLA_MTU, u32(pair.mtu)),
    attribute(IFLA_NET_NS_PID, u32(marker)),
  );
  const bytes = message(
    RTM_NEWLINK,
    NLM_F_CREATE | NLM_F_EXCL,
    linkHead(pair.hostIndex, true),
    attribute(IFLA_IFNAME, text(pair.hostName)),
    attribute(IFLA_MTU, u32(pair.mtu)),
    attribute(IFLA_MASTER, u32(pair.bridgeIndex)),
    nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, text("veth")), nested(IFLA_INFO_DATA, peer)),
  );
  return { message: bytes, pidOffset: bytes.lastIndexOf(u32(marker)) };
}

/** With a fixed MAC: a bridge without one takes the lowest of its ports', and so changes whenever one comes or goes. */
export const createBridge = (name: string, mac: string): Buffer =>
  message(
    RTM_NEWLINK,
    NLM_F_CREATE | NLM_F_EXCL,
    linkHead(0, true),
    attribute(IFLA_IFNAME, text(name)),
    attribute(IFLA_ADDRESS, macBytes(mac)),
    nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, text("bridge"))),
  );

export const linkUp = (index: number): Buffer => message(RTM_NEWLINK, 0, linkHead(index, true));

export const deleteLink = (index: number): Buffer => message(RTM_DELLINK, 0, linkHead(index, false));

export function addAddress(index: number, address: string, prefixLength: number): Buffer {
  const head = Buffer.alloc(8);
  head[0] = AF_INET;
  head[1] = prefixLength;
  head.writeUInt32LE(index, 4);
  const local = ipv4Bytes(address);
  const mask = prefixLength === 32 ? 0 : 0xffff_ffff >>> prefixLength;
  const broadcast = Buffer.alloc(4);
  broadcast.writeUInt32BE((local.readUInt32BE(0) | mask) >>> 0);
  return message(
    RTM_NEWADDR,
    NLM_F_CREATE | NLM_F_EXCL,
    head,
    attribute(IFA_LOCAL, local),
    attribute(IFA_ADDRESS, local),
    attribute(IFA_BROADCAST, broadcast),
  );
}

export const addDefaultRoute = (gateway: string, index: number): Buffer =>
  message(
    RTM_NEWROUTE,
    NLM_F_CREATE | NLM_F_EXCL,
    Buffer.from([AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0, 0, 0, 0]),
    attribute(RTA_GATEWAY, ipv4Bytes(gateway)),
    attribute(RTA_OIF, u32(index)),
  );

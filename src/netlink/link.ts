import { AF_BRIDGE, AF_UNSPEC } from "./constants.ts";
import {
  attribute,
  flaggedNest,
  message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  nested,
  text,
  u8,
  u16,
  u32,
} from "./message.ts";

/** Links of rtnetlink(7): whole messages for NETLINK_ROUTE. */

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_SETLINK = 19;
const IFF_UP = 1;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_PROTINFO = 12;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_PID = 19;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_BRPORT_MODE = 4;
const IFLA_BRPORT_ISOLATED = 33;
const IFLA_MACVLAN_MODE = 1;
const IFLA_IPVLAN_MODE = 1;
const IFLA_IPVLAN_FLAGS = 2;
const IFLA_VLAN_ID = 1;

function linkHead(index: number, up: boolean, family = AF_UNSPEC): Buffer {
  const head = Buffer.alloc(16);
  head[0] = family;
  head.writeInt32LE(index, 4);
  head.writeUInt32LE(up ? IFF_UP : 0, 8);
  head.writeUInt32LE(up ? IFF_UP : 0, 12);
  return head;
}

const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(":", ""), "hex");
const kindOf = (kind: string, ...data: Buffer[]) =>
  nested(
    IFLA_LINKINFO,
    attribute(IFLA_INFO_KIND, text(kind)),
    ...(data.length === 0 ? [] : [nested(IFLA_INFO_DATA, ...data)]),
  );
const newLink = (head: Buffer, ...attributes: Buffer[]) =>
  message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, head, ...attributes);

/** A message in which the pid of a process has to be written at `pidOffset`: what it makes goes to that one's namespace. */
export interface MessageForPid {
  readonly message: Buffer;
  readonly pidOffset: number;
}

const PID_MARKER = u32(0x7ffffffe);
const markedPid = (bytes: Buffer): MessageForPid => ({
  message: bytes,
  pidOffset: bytes.lastIndexOf(PID_MARKER),
});

/** The message for one process. */
export function withPid({ message: bytes, pidOffset }: MessageForPid, pid: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32LE(pid, pidOffset);
  return copy;
}

/** What an interface inside a container's network namespace is to be. */
export interface PeerLink {
  readonly name: string;
  /** Chosen by us, so that what follows can be said without asking for it. */
  readonly index: number;
  readonly mac: string;
  /** 0 = as the kernel has it. */
  readonly mtu: number;
}

export interface VethPair {
  readonly hostName: string;
  readonly hostIndex: number;
  /** Index of the bridge that the host's end joins. */
  readonly bridgeIndex: number;
  readonly peer: PeerLink;
}

const mtuOf = (mtu: number): Buffer[] => (mtu === 0 ? [] : [attribute(IFLA_MTU, u32(mtu))]);

/** Both ends of a veth: the host's end up and on its bridge, the other down and in the namespace of a process. */
export function createVeth({ hostName, hostIndex, bridgeIndex, peer }: VethPair): MessageForPid {
  const inside = nested(
    VETH_INFO_PEER,
    // Not up: the kernel opens the peer before it pairs the two, and an end alone cannot be opened (veth.c: ENOTCONN).
    linkHead(peer.index, false),
    attribute(IFLA_IFNAME, text(peer.name)),
    attribute(IFLA_ADDRESS, macBytes(peer.mac)),
    ...mtuOf(peer.mtu),
    attribute(IFLA_NET_NS_PID, PID_MARKER),
  );
  return markedPid(
    newLink(
      linkHead(hostIndex, true),
      attribute(IFLA_IFNAME, text(hostName)),
      ...mtuOf(peer.mtu),
      attribute(IFLA_MASTER, u32(bridgeIndex)),
      kindOf("veth", inside),
    ),
  );
}

/** Modes of macvlan and ipvlan links by the words of ip-link(8). */
export const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
export const IPVLAN_MODES = { l2: 0, l3: 1, l3s: 2 } as const;
export const IPVLAN_FLAGS = { bridge: 0, private: 1, vepa: 2 } as const;

const childLink = (parentIndex: number, peer: PeerLink, withMac: boolean, kind: Buffer): MessageForPid =>
  markedPid(
    newLink(
      linkHead(peer.index, false),
      attribute(IFLA_IFNAME, text(peer.name)),
      attribute(IFLA_LINK, u32(parentIndex)),
      ...(withMac ? [attribute(IFLA_ADDRESS, macBytes(peer.mac))] : []),
      ...mtuOf(peer.mtu),
      kind,
      attribute(IFLA_NET_NS_PID, PID_MARKER),
    ),
  );

/** A link with a MAC of its own on a parent of the host, in the namespace of a process. */
export const createMacvlan = (
  parentIndex: number,
  peer: PeerLink,
  mode: keyof typeof MACVLAN_MODES,
): MessageForPid =>
  childLink(
    parentIndex,
    peer,
    mode !== "passthru",
    kindOf("macvlan", attribute(IFLA_MACVLAN_MODE, u32(MACVLAN_MODES[mode]))),
  );

/** A link with the parent's MAC, in the namespace of a process. */
export const createIpvlan = (
  parentIndex: number,
  peer: PeerLink,
  mode: keyof typeof IPVLAN_MODES,
  flag: keyof typeof IPVLAN_FLAGS,
): MessageForPid =>
  childLink(
    parentIndex,
    peer,
    false,
    kindOf(
      "ipvlan",
      attribute(IFLA_IPVLAN_MODE, u16(IPVLAN_MODES[mode])),
      attribute(IFLA_IPVLAN_FLAGS, u16(IPVLAN_FLAGS[flag])),
    ),
  );

/** With a fixed MAC: a bridge without one takes the lowest of its ports', and so changes whenever one comes or goes. */
export const createBridge = (name: string, mac: string, mtu: number): Buffer =>
  newLink(
    linkHead(0, true),
    attribute(IFLA_IFNAME, text(name)),
    attribute(IFLA_ADDRESS, macBytes(mac)),
    ...mtuOf(mtu),
    kindOf("bridge"),
  );

/** A link that leads nowhere: the parent of macvlan and ipvlan networks that have none. */
export const createDummy = (name: string): Buffer =>
  newLink(linkHead(0, true), attribute(IFLA_IFNAME, text(name)), kindOf("dummy"));

/** The same where the kernel has no dummy links: both ends of a veth, so that there is a carrier. */
export const createVethPair = (name: string, otherName: string): Buffer =>
  newLink(
    linkHead(0, true),
    attribute(IFLA_IFNAME, text(name)),
    kindOf("veth", nested(VETH_INFO_PEER, linkHead(0, false), attribute(IFLA_IFNAME, text(otherName)))),
  );

/** The link of one VLAN (1 to 4094) on a parent. */
export const createVlan = (name: string, parentIndex: number, vlan: number): Buffer =>
  newLink(
    linkHead(0, true),
    attribute(IFLA_IFNAME, text(name)),
    attribute(IFLA_LINK, u32(parentIndex)),
    kindOf("vlan", attribute(IFLA_VLAN_ID, u16(vlan))),
  );

export const linkUp = (index: number): Buffer => message(RTM_NEWLINK, 0, linkHead(index, true));

export const deleteLink = (index: number): Buffer => message(RTM_DELLINK, 0, linkHead(index, false));

/** Put a link on a bridge. */
export const setMaster = (index: number, bridgeIndex: number): Buffer =>
  message(RTM_NEWLINK, 0, linkHead(index, true), attribute(IFLA_MASTER, u32(bridgeIndex)));

/** How a port of a bridge treats frames (bridge(8)). */
export interface PortFlags {
  /** It does not talk to the bridge's other ports of this kind. */
  readonly isolated: boolean;
  /** Frames may go back to where they came from. */
  readonly hairpin: boolean;
}

export const setPortFlags = (index: number, { isolated, hairpin }: PortFlags): Buffer =>
  message(
    RTM_SETLINK,
    0,
    linkHead(index, false, AF_BRIDGE),
    flaggedNest(
      IFLA_PROTINFO,
      attribute(IFLA_BRPORT_MODE, u8(Number(hairpin))),
      attribute(IFLA_BRPORT_ISOLATED, u8(Number(isolated))),
    ),
  );

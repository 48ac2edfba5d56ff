import { formatIp } from "../units/index.ts";
import { AF_INET6, NETLINK_NETFILTER } from "./constants.ts";

const HEADER_BYTES = 16;
const LINK_HEAD_BYTES = 16;
const ADDRESS_HEAD_BYTES = 8;
const ROUTE_HEAD_BYTES = 12;

const NESTED_MASK = 0x3fff;

/** What messages of this module's making say, one line for each, in the words of ip(8) (rtnetlink(7), nf_tables.h). */
export function describeMessages(protocol: number, bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER_BYTES) break;
    const body = bytes.subarray(at + HEADER_BYTES, at + length);
    lines.push(
      protocol === NETLINK_NETFILTER
        ? describeFilter(bytes.readUInt16LE(at + 4))
        : describeRoute(bytes.readUInt16LE(at + 4), body),
    );
    at += (length + 3) & ~3;
  }
  return lines;
}

function describeRoute(type: number, body: Buffer): string {
  switch (type) {
    case 16:
      return describeLink(body);
    case 17:
      return `RTM_DELLINK link ${body.readInt32LE(4)}`;
    case 19:
      return `RTM_SETLINK flags of bridge port ${body.readInt32LE(4)}`;
    case 20: {
      const found = attributesOf(body.subarray(ADDRESS_HEAD_BYTES));
      return `RTM_NEWADDR ${addressOf(body[0], found.get(2))}/${body[1]} on link ${body.readUInt32LE(4)}`;
    }
    case 24: {
      const found = attributesOf(body.subarray(ROUTE_HEAD_BYTES));
      const gateway = found.get(5);
      return `RTM_NEWROUTE default${gateway === undefined ? "" : ` via ${addressOf(body[0], gateway)}`} on link ${number(found.get(4))}`;
    }
    default:
      return `message of type ${type}`;
  }
}

function describeLink(body: Buffer): string {
  const index = body.readInt32LE(4);
  const found = attributesOf(body.subarray(LINK_HEAD_BYTES));
  const info = attributesOf(found.get(18) ?? Buffer.alloc(0));
  const kind = text(info.get(1));
  const master = found.get(10);
  if (kind === "") {
    return master === undefined
      ? `RTM_NEWLINK link ${index} up`
      : `RTM_NEWLINK link ${index} joins bridge ${number(master)}`;
  }
  const peer = kind === "veth" ? peerOf(info.get(2)) : "";
  return [
    `RTM_NEWLINK ${kind} ${text(found.get(3))}`,
    ...(peer === "" ? [] : [peer]),
    ...(master === undefined ? [] : [`on bridge ${number(master)}`]),
    ...(found.has(5) ? [`on parent ${number(found.get(5))}`] : []),
  ].join(" ");
}

/** The other end of a veth: VETH_INFO_PEER holds a link of its own. */
function peerOf(data: Buffer | undefined): string {
  const peer = attributesOf(data ?? Buffer.alloc(0)).get(1);
  if (peer === undefined || peer.length < LINK_HEAD_BYTES) return "";
  const found = attributesOf(peer.subarray(LINK_HEAD_BYTES));
  const name = text(found.get(3));
  return name === "" ? "" : `with its other end ${name} in the container`;
}

const FILTER_MESSAGES: Readonly<Record<number, string>> = {
  16: "NFNL_MSG_BATCH_BEGIN",
  17: "NFNL_MSG_BATCH_END",
  2560: "NFT_MSG_NEWTABLE",
  2563: "NFT_MSG_NEWCHAIN",
  2566: "NFT_MSG_NEWRULE leads the name server's port 53 to where it listens",
};
const describeFilter = (type: number): string => FILTER_MESSAGES[type] ?? `message of type ${type}`;

/** Attributes by type; the last of a kind counts. */
function attributesOf(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & NESTED_MASK, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

const text = (bytes: Buffer | undefined): string => bytes?.toString("utf8").replace(/\0.*$/s, "") ?? "";
const number = (bytes: Buffer | undefined): number => (bytes === undefined ? 0 : bytes.readUInt32LE());

function addressOf(family: number | undefined, bytes: Buffer | undefined): string {
  if (bytes === undefined) return "";
  const value = BigInt(`0x${bytes.toString("hex")}`);
  return formatIp({ family: family === AF_INET6 ? 6 : 4, value });
}

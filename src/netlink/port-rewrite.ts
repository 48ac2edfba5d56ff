import { type IpAddress, ipBytes } from "../units/index.ts";
import { AF_INET, AF_UNSPEC } from "./constants.ts";
import { attribute, be32, flaggedNest, message, NLM_F_CREATE, text } from "./message.ts";

/**
 * Rules of nf_tables (linux/netfilter/nf_tables.h) that let a server on one port of a loopback address be reached on
 * another port of it, in both directions, without connection tracking: the port is written into the packet on its way
 * out, and back into the answer. So the well-known port stays free for the container's own programs.
 */
export interface PortRewrite {
  /** IPv4. */
  readonly address: IpAddress;
  /** Where clients send to. */
  readonly wellKnown: number;
  /** Where the server listens. */
  readonly actual: number;
}

const SUBSYSTEM = 10 << 8;
const BATCH_BEGIN = 16;
const BATCH_END = 17;
const NEWTABLE = SUBSYSTEM;
const NEWCHAIN = SUBSYSTEM | 3;
const NEWRULE = SUBSYSTEM | 6;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_APPEND = 0x800;

const TABLE = "gantry-names";
const CHAIN = "output";
const LOCAL_OUT = 3;
const MANGLE_PRIORITY = -150;
const ACCEPT = 1;
const PROTOCOLS = [
  { number: 6, checksum: 16 },
  { number: 17, checksum: 6 },
] as const;
const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;
const [PROTOCOL_AT, SOURCE_AT, DESTINATION_AT] = [9, 12, 16];
const [SOURCE_PORT_AT, DESTINATION_PORT_AT] = [0, 2];

const family = (number: number, resource = 0) => Buffer.from([number, 0, resource >> 8, resource & 0xff]);

/** The rules as one batch for NETLINK_NETFILTER; only its last rule asks for an acknowledgement. */
export function rewritePortsBatch({ address, wellKnown, actual }: PortRewrite): Buffer {
  const rules = PROTOCOLS.flatMap((protocol) => [
    rule(protocol, address, [DESTINATION_AT, DESTINATION_PORT_AT], [wellKnown, actual]),
    rule(protocol, address, [SOURCE_AT, SOURCE_PORT_AT], [actual, wellKnown]),
  ]);
  return Buffer.concat([
    message(BATCH_BEGIN, NLM_F_REQUEST, family(AF_UNSPEC, SUBSYSTEM >> 8)),
    message(NEWTABLE, NLM_F_REQUEST | NLM_F_CREATE, family(AF_INET), attribute(1, text(TABLE))),
    message(
      NEWCHAIN,
      NLM_F_REQUEST | NLM_F_CREATE,
      family(AF_INET),
      attribute(1, text(TABLE)),
      attribute(3, text(CHAIN)),
      flaggedNest(4, attribute(1, be32(LOCAL_OUT)), attribute(2, be32(MANGLE_PRIORITY))),
      attribute(5, be32(ACCEPT)),
      attribute(7, text("filter")),
    ),
    ...rules.map((expressions, at) =>
      message(
        NEWRULE,
        NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND | (at === rules.length - 1 ? NLM_F_ACK : 0),
        family(AF_INET),
        attribute(1, text(TABLE)),
        attribute(2, text(CHAIN)),
        flaggedNest(4, ...expressions),
      ),
    ),
    message(BATCH_END, NLM_F_REQUEST, family(AF_UNSPEC, SUBSYSTEM >> 8)),
  ]);
}

/** If address, protocol and port are these, the port becomes the other one. */
function rule(
  protocol: (typeof PROTOCOLS)[number],
  address: IpAddress,
  [addressAt, portAt]: readonly [number, number],
  [from, to]: readonly [number, number],
): Buffer[] {
  const port = (number: number) => Buffer.from([number >> 8, number & 0xff]);
  return [
    ...match(NETWORK_HEADER, addressAt, ipBytes(address)),
    ...match(NETWORK_HEADER, PROTOCOL_AT, Buffer.from([protocol.number])),
    ...match(TRANSPORT_HEADER, portAt, port(from)),
    expression("immediate", attribute(1, be32(1)), flaggedNest(2, attribute(1, port(to)))),
    expression(
      "payload",
      attribute(5, be32(1)),
      attribute(2, be32(TRANSPORT_HEADER)),
      attribute(3, be32(portAt)),
      attribute(4, be32(2)),
      // The checksum is the internet's sum, at this place of the header.
      attribute(6, be32(1)),
      attribute(7, be32(protocol.checksum)),
    ),
  ];
}

/** Load bytes of a header into the first register and go on only if they are these. */
const match = (header: number, at: number, value: Buffer): Buffer[] => [
  expression(
    "payload",
    attribute(1, be32(1)),
    attribute(2, be32(header)),
    attribute(3, be32(at)),
    attribute(4, be32(value.length)),
  ),
  expression("cmp", attribute(1, be32(1)), attribute(2, be32(0)), flaggedNest(3, attribute(1, value))),
];

const expression = (name: string, ...data: Buffer[]): Buffer =>
  flaggedNest(1, attribute(1, text(name)), flaggedNest(2, ...data));

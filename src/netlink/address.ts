import { type IpAddress, ipBits, ipBytes } from "../units/index.ts";
import { AF_INET, AF_INET6 } from "./constants.ts";
import { attribute, message, NLM_F_CREATE, NLM_F_EXCL, u32 } from "./message.ts";

/** Addresses and default routes of rtnetlink(7), for both families. */

const RTM_NEWADDR = 20;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 2;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;

const familyOf = ({ family }: { family: 4 | 6 }): number => (family === 4 ? AF_INET : AF_INET6);

/** An address of IPv6 is used at once: nobody else gives addresses in the engine's networks. */
export function addAddress(index: number, address: IpAddress, prefixLength: number): Buffer {
  const head = Buffer.alloc(8);
  head[0] = familyOf(address);
  head[1] = prefixLength;
  head[2] = address.family === 6 ? IFA_F_NODAD : 0;
  head.writeUInt32LE(index, 4);
  const local = ipBytes(address);
  const own = [attribute(IFA_LOCAL, local), attribute(IFA_ADDRESS, local)];
  if (address.family === 4) {
    const hostBits = (1n << BigInt(ipBits(4) - prefixLength)) - 1n;
    own.push(attribute(IFA_BROADCAST, ipBytes({ family: 4, value: address.value | hostBits })));
  }
  return message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, head, ...own);
}

/** Where packets go that no other route fits: to a gateway, or out of the link as they are. */
export interface DefaultRoute {
  readonly family: 4 | 6;
  readonly gateway?: IpAddress;
  readonly index: number;
}

function routeMessage(type: number, flags: number, { family, gateway, index }: DefaultRoute): Buffer {
  const scope = gateway === undefined && family === 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  return message(
    type,
    flags,
    Buffer.from([familyOf({ family }), 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST, 0, 0, 0, 0]),
    ...(gateway === undefined ? [] : [attribute(RTA_GATEWAY, ipBytes(gateway))]),
    attribute(RTA_OIF, u32(index)),
  );
}

export const addDefaultRoute = (route: DefaultRoute): Buffer =>
  routeMessage(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);

export const deleteDefaultRoute = (route: DefaultRoute): Buffer => routeMessage(RTM_DELROUTE, 0, route);

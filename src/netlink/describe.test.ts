import { expect, test } from "bun:test";
import { parseIp } from "../units/index.ts";
import {
  addAddress,
  addDefaultRoute,
  createVeth,
  describeMessages,
  LOOPBACK_INDEX,
  linkUp,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  rewritePortsBatch,
} from "./index.ts";

const address = (text: string) => {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

test("messages about links, addresses and routes are told in the words of ip(8)", () => {
  const veth = createVeth({
    hostName: "veth1",
    hostIndex: 99,
    bridgeIndex: 7,
    peer: { name: "eth0", index: 10, mac: "02:00:00:00:00:01", mtu: 1500 },
  });
  const messages = Buffer.concat([
    veth.message,
    linkUp(LOOPBACK_INDEX),
    addAddress(10, address("172.17.0.2"), 16),
    addAddress(10, address("fd00::2"), 64),
    addDefaultRoute({ family: 4, index: 10, gateway: address("172.17.0.1") }),
  ]);
  expect(describeMessages(NETLINK_ROUTE, messages)).toEqual([
    "RTM_NEWLINK veth veth1 with its other end eth0 in the container on bridge 7",
    "RTM_NEWLINK link 1 up",
    "RTM_NEWADDR 172.17.0.2/16 on link 10",
    "RTM_NEWADDR fd00::2/64 on link 10",
    "RTM_NEWROUTE default via 172.17.0.1 on link 10",
  ]);
});

test("a batch of packet rules is told by its messages", () => {
  const batch = rewritePortsBatch({ address: address("127.0.0.11"), wellKnown: 53, actual: 20_000 });
  const lines = describeMessages(NETLINK_NETFILTER, batch);
  expect(lines.at(0)).toBe("NFNL_MSG_BATCH_BEGIN");
  expect(lines.at(-1)).toBe("NFNL_MSG_BATCH_END");
  expect(lines.filter((line) => line.startsWith("message of type"))).toEqual([]);
});

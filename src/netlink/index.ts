export { addAddress, addDefaultRoute, type DefaultRoute, deleteDefaultRoute } from "./address.ts";
export { type KernelRequest, type RequestOptions, requestKernel, requestRoute } from "./client.ts";
export { LOOPBACK_INDEX, NETLINK_NETFILTER, NETLINK_ROUTE } from "./constants.ts";
export { describeMessages } from "./describe.ts";
export {
  createBridge,
  createDummy,
  createIpvlan,
  createMacvlan,
  createVeth,
  createVethPair,
  createVlan,
  deleteLink,
  IPVLAN_FLAGS,
  IPVLAN_MODES,
  linkUp,
  MACVLAN_MODES,
  type MessageForPid,
  type PeerLink,
  type PortFlags,
  setMaster,
  setPortFlags,
  withPid,
} from "./link.ts";
export { type PortRewrite, rewritePortsBatch } from "./port-rewrite.ts";
export { watchNetlink } from "./watch.ts";

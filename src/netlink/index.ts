export { requestRoute } from "./client.ts";
export {
  addAddress,
  addDefaultRoute,
  createBridge,
  createVeth,
  deleteLink,
  LOOPBACK_INDEX,
  linkUp,
  NETLINK_ROUTE,
  type VethPair,
} from "./route.ts";

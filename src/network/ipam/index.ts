export { AddressPool } from "./address-pool.ts";
export { hostPrefixes } from "./host-routes.ts";
export { freeSubnet, parsePool, poolsOf, type SubnetPool } from "./pools.ts";

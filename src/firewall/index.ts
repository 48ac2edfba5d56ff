export type { Firewall, PublishedPort } from "./firewall.ts";
export { createNftablesFirewall, type NftablesOptions } from "./nftables.ts";

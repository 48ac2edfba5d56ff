export type {
  ExplainedRule,
  FilteredNetwork,
  Firewall,
  GatewayMode,
  OpenPort,
  PublishedPort,
} from "./firewall.ts";
export { createIptablesFirewall } from "./iptables.ts";
export { createNftablesFirewall, type FirewallOptions } from "./nftables.ts";

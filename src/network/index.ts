export type { NetworkSettings } from "./context.ts";
export {
  createNetworkService,
  type NetworkServiceOptions,
  type OwnedNetworkService,
} from "./create-service.ts";
export { parsePool, type SubnetPool } from "./ipam/index.ts";
export { parseLink } from "./names/index.ts";
export { createHostForwarding, parsePortKey } from "./published/index.ts";
export type { BoundPort, SandboxRequest } from "./record.ts";
export type * from "./service.ts";
export { migrations } from "./table.ts";

export {
  createNetworkService,
  type NetworkServiceOptions,
  type OwnedNetworkService,
} from "./create-service.ts";
export type * from "./service.ts";
export { migrations } from "./table.ts";

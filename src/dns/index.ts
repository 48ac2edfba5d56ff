export type { Upstream } from "./ask.ts";
export { type NamesRelay, openNamesRelay } from "./relay.ts";
export {
  createHostServers,
  formatResolvConf,
  parseResolvConf,
  type ResolvConf,
  readHostResolvConf,
} from "./resolv-conf.ts";
export { createResponder, type View } from "./server.ts";

export { BundleStore, type RuntimeBundle } from "./bundle.ts";
export {
  compileForeign,
  compileForeignExec,
  type ForeignInput,
  type ForeignLaunch,
} from "./compile.ts";
export type { Identity } from "./config.ts";
export { withRuntimes } from "./launcher.ts";
export {
  createRuntimes,
  OWN_RUNTIME,
  type Runtime,
  type Runtimes,
  type RuntimesOptions,
} from "./runtimes.ts";

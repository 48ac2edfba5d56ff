export { createNetwork } from "./create.ts";
export { findNetwork, networkFilter } from "./find.ts";
export { inspectNetwork } from "./inspect.ts";
export { ensurePredefinedRows } from "./predefined.ts";
export { pruneNetworks, removeNetwork } from "./remove.ts";

export type * from "./container.ts";
export type * from "./filters.ts";
export type * from "./image.ts";
export type * from "./network.ts";
export type * from "./registry.ts";
export type * from "./stats.ts";
export type * from "./system.ts";
export { API_VERSION, ENGINE_VERSION, MIN_API_VERSION } from "./version.ts";
export type * from "./volume.ts";

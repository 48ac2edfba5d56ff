export { type MountRequest, parseMounts } from "./parse.ts";
export { resolveMounts } from "./resolve.ts";

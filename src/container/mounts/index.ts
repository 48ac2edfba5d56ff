export { type MountRequest, parseBind, parseMounts } from "./parse.ts";
export { resolveMounts } from "./resolve.ts";

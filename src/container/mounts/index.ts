export { type MountRequest, parseMounts } from "./parse.ts";
export { makeFolder, resolveMounts } from "./resolve.ts";

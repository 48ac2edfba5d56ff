/** Reading a container's json-file log: rotated files, tail, follow, and the bytes the Engine API sends. */

export { type LogSettings, parseLogConfig } from "./config.ts";
export { type LogReadOptions, openLog } from "./open-log.ts";

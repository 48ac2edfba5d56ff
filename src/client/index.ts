export { ApiError, ConnectError, EngineClient, type QueryValues } from "./engine-client.ts";
export { type Frame, readFrames } from "./frames.ts";
export { DEFAULT_HOST } from "./host.ts";
export { jsonLines } from "./json-lines.ts";

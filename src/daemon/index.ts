export type { Engine } from "./engine.ts";
export { type EngineOptions, type OwnedEngine, openEngine } from "./open-engine.ts";
export { API_VERSION, ENGINE_VERSION, MIN_API_VERSION } from "./system.ts";

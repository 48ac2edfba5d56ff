export type { Engine } from "./engine.ts";
export { type EngineOptions, type OwnedEngine, openEngine } from "./open-engine.ts";

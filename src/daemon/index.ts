export type { Engine } from "./engine.ts";
export { type EngineOptions, type OwnedEngine, openEngine, type RootlessNetwork } from "./open-engine.ts";

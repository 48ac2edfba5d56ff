import type { HistoryEntry } from "../../image/index.ts";
import type { ImageConfig } from "../../wire/index.ts";
import type { Platform } from "./platform.ts";
import type { Vertex } from "./vertex.ts";

/** One entry of an image's history; whether it has a layer is known once its vertex is solved. */
export interface PlannedHistory {
  readonly createdBy: string;
  readonly vertex: Vertex | undefined;
}

/** What a stage has come to after some of its instructions. */
export interface StageState {
  readonly name: string;
  readonly platform: Platform;
  top: Vertex;
  config: ImageConfig;
  author: string;
  /** Declared arguments with a value, in the order of their declaration. */
  readonly args: Map<string, string>;
  /** CMD was set in this stage, and so outlives an ENTRYPOINT. */
  hasOwnCommand: boolean;
  /** Of the image that the chain of stages stands on. */
  readonly baseHistory: readonly HistoryEntry[];
  readonly baseImageId: string | undefined;
  readonly history: PlannedHistory[];
}

/** A stage begun FROM another one. */
export function inherit(parent: StageState, name: string, platform: Platform): StageState {
  return {
    ...parent,
    name,
    platform,
    config: structuredClone(parent.config),
    args: new Map(parent.args),
    hasOwnCommand: false,
    history: [...parent.history],
  };
}

export const environmentOf = (config: ImageConfig): Map<string, string> =>
  new Map(
    (config.Env ?? []).map((entry) => {
      const equals = entry.indexOf("=");
      return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );

/** The environment wins over arguments of the same name. */
export function lookupOf(state: StageState): (name: string) => string | undefined {
  const environment = environmentOf(state.config);
  return (name) => environment.get(name) ?? state.args.get(name);
}

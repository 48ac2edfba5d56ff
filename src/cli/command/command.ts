import type { EngineClient } from "../../client/index.ts";
import type { Flag, FlagValues } from "./flags.ts";

/** What a command gets to work with. */
export interface Invocation {
  readonly flags: FlagValues;
  readonly args: readonly string[];
  /** Connects on first use. */
  readonly client: EngineClient;
}

export interface Command {
  /** Behind "gantry": "run", "image ls". */
  readonly name: string;
  /** Behind the name in the usage line: "[OPTIONS] IMAGE [COMMAND] [ARG...]". */
  readonly usage: string;
  readonly description: string;
  readonly aliases?: readonly string[];
  readonly flags: readonly Flag[];
  /** Flags may come after arguments; false where what follows belongs to the container. */
  readonly interspersed?: boolean;
  readonly minArgs: number;
  /** Unbounded when left out. */
  readonly maxArgs?: number;
  /** Exit code of the command's own failures; Docker has 125 for those that run something, 1 otherwise. */
  readonly failureCode?: number;
  /** Gives the exit code. */
  run(invocation: Invocation): Promise<number>;
}

type FlagOptions = { short?: string; fallback?: string; type?: string; aliasOf?: string };

const flagOf =
  (kind: Flag["kind"], type: string) =>
  (name: string, description: string, options: FlagOptions = {}): Flag => ({
    name,
    kind,
    type,
    description,
    ...options,
  });

export const bool = flagOf("bool", "");
export const string = flagOf("string", "string");
export const int = flagOf("int", "int");
export const list = flagOf("list", "list");

/** Flags that many commands share. */
export const FORMAT_FLAG = string(
  "format",
  "Format output with a Go template, or 'json'; 'table TEMPLATE' prints columns with a header",
);
export const INSPECT_FORMAT_FLAG = string("format", "Format output with a Go template, or 'json'", {
  short: "f",
});
export const DETACH_KEYS_FLAG = string(
  "detach-keys",
  "Key sequence that detaches the terminal from the container",
);

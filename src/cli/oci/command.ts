import type { OciContext } from "../../runtime/oci/index.ts";
import type { Flag, FlagValues } from "../command/flags.ts";

/** What a command of `gantry oci` gets to work with. */
export interface OciInvocation {
  readonly context: OciContext;
  readonly flags: FlagValues;
  readonly args: readonly string[];
}

export interface OciCommand {
  readonly summary: string;
  /** Behind the name in the usage line. */
  readonly usage: string;
  readonly flags: readonly Flag[];
  readonly minArgs: number;
  /** Unbounded when left out. */
  readonly maxArgs?: number;
  /** Gives the exit code. */
  run(invocation: OciInvocation): Promise<number>;
}

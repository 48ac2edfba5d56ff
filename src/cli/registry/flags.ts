import { resolve } from "node:path";
import { invalid } from "../../errors/index.ts";
import { requireGoDuration } from "../../units/index.ts";
import type { FlagValues } from "../command/flags.ts";
import { UsageError } from "../command/usage-error.ts";

/** A duration flag ("90s", "1h30m") in milliseconds. Throws invalid for a negative one. */
export function durationMs(flags: FlagValues, name: string): number {
  const text = flags.string(name);
  const ms = Number(requireGoDuration(text)) / 1e6;
  // Timers hold 31 bits of milliseconds.
  if (ms < 0 || ms > 2 ** 31 - 1) throw invalid(`invalid --${name} ${text}: want a duration from 0 to 596h`);
  return ms;
}

/** The --storage flag as an absolute path. */
export function requiredFolder(flags: FlagValues): string {
  const folder = flags.string("storage");
  if (folder === "") throw new UsageError("flag needed: --storage");
  return resolve(folder);
}

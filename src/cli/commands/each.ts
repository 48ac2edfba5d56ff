import { sentenceOf } from "../command/execute.ts";
import { printError, printLine } from "../output/print.ts";

interface ForEachOptions {
  /** What a last line says before the names of those that failed. */
  readonly summary?: string;
  /** Failures that are told, but leave the exit code as it is. */
  readonly forgives?: (error: unknown) => boolean;
}

/** Do something to each of the named objects, print the names of those where it worked, and the failures of the others. */
export async function forEach(
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
  { summary, forgives = () => false }: ForEachOptions = {},
): Promise<number> {
  const failed: string[] = [];
  for (const name of names) {
    try {
      await work(name);
      await printLine(name);
    } catch (error) {
      if (!forgives(error)) failed.push(name);
      printError(sentenceOf(error));
    }
  }
  if (failed.length > 0 && summary !== undefined) printError(`${summary}: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

/** The part of a path that names a container. */
export const segment = (name: string): string => encodeURIComponent(name);

import { sentenceOf } from "../command/execute.ts";
import { printError, printLine } from "../output/print.ts";

/** Do something to each of the named objects, print the names of those where it worked, and the failures of the others. */
export async function forEach(
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
): Promise<number> {
  let failures = 0;
  for (const name of names) {
    try {
      await work(name);
      await printLine(name);
    } catch (error) {
      failures++;
      printError(sentenceOf(error));
    }
  }
  return failures === 0 ? 0 : 1;
}

/** The part of a path that names a container. */
export const segment = (name: string): string => encodeURIComponent(name);

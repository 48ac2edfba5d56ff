import { createInterface } from "node:readline/promises";

/** Ask on the terminal; everything but "y" and "yes" is no, and so is the end of the input. */
export async function confirm(warning: string): Promise<boolean> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise<string>((resolve) => reader.once("close", () => resolve("")));
  const answer = await Promise.race([
    reader.question(`${warning}\nAre you sure you want to continue? [y/N] `),
    ended,
  ]);
  reader.close();
  return /^y(es)?$/i.test(answer.trim());
}

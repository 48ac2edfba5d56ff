import { writeSync } from "node:fs";
import { errnoOf } from "../../errors/index.ts";

const encoder = new TextEncoder();

/** Write all bytes to a descriptor. Ends the program quietly when nobody reads them any more, as a filter does. */
export async function writeOut(fd: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const code = errnoOf(error);
      if (code === "EPIPE") process.exit(fd === 1 ? 141 : 1);
      if (code !== "EAGAIN") throw error;
      // Somebody made the descriptor non-blocking; there is no event for it without a stream that then owns it.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

export const print = (text: string): Promise<void> => writeOut(1, encoder.encode(text));

export const printLine = (text: string): Promise<void> => print(`${text}\n`);

/** A line on stderr. */
export function printError(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // Nobody to tell.
  }
}

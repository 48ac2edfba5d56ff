import { writeSync } from "node:fs";
import { humanSize } from "../../units/index.ts";

/** Bytes closer together than this help nobody. */
const INTERVAL_MS = 75;
const SAVE = "\x1b[s";
const RESTORE = "\x1b[u\x1b[2K";

/**
 * The one line in which Docker's client tells how much has been copied: rewritten on a terminal, elsewhere not shown. It
 * goes with its disposal.
 */
export class CopyProgress implements Disposable {
  readonly #header: string;
  readonly #isShown: boolean;
  #lastMs = performance.now();

  constructor(direction: "to" | "from", quiet: boolean) {
    this.#header = direction === "to" ? "Copying to container - " : "Copying from container - ";
    this.#isShown = !quiet && process.stderr.isTTY === true;
    if (this.#isShown) writeSync(2, `${SAVE}Preparing to copy...`);
  }

  readonly count = (bytes: number): void => {
    const now = performance.now();
    if (!this.#isShown || now - this.#lastMs < INTERVAL_MS) return;
    this.#lastMs = now;
    writeSync(2, `${RESTORE}${this.#header}${humanSize(bytes, 3)}`);
  };

  [Symbol.dispose](): void {
    if (this.#isShown) writeSync(2, RESTORE);
  }
}

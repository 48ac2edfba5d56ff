import type { Lock } from "../platform/index.ts";

/** So long may a copy stand still while others wait for its container. */
const STALL_MS = 10_000;

/**
 * Whoever copies out of a container that does not run, or into it, holds the container's lock for as long as a client on
 * the other end takes. Such a client is not to keep others from the container for ever: once somebody waits for the
 * lock and no byte has moved for a while, `end` is called.
 */
export class StallGuard implements Disposable {
  readonly #end: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(lock: Lock, end: () => void) {
    this.#end = end;
    lock.wanted.then(() => {
      if (!this.#isOver) this.#timer = setTimeout(this.#end, STALL_MS);
    });
  }

  /** Passes bytes on, and notes that they move. */
  async *watch(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#timer?.refresh();
      yield chunk;
      this.#timer?.refresh();
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}

import { invalid } from "../errors/index.ts";

const DEFAULT_KEYS = "ctrl-p,ctrl-q";

/**
 * Finds the sequence of keys that detaches a terminal in what is typed. A begun sequence is held back until the next
 * key decides. Keys are written as Docker has them: single characters or `ctrl-` with a letter, @, [, \\, ], ^ or _,
 * separated by commas; without any, ctrl-p,ctrl-q. Throws invalid.
 */
export class KeySequence {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: string | undefined) {
    this.#keys = parseDetachKeys(keys === undefined || keys === "" ? DEFAULT_KEYS : keys);
  }

  /** What of these bytes is to be passed on, and whether the sequence ended in them; what follows it is dropped. */
  feed(bytes: Uint8Array): { passed: Uint8Array; complete: boolean } {
    const passed: number[] = [];
    for (const byte of bytes) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched < this.#keys.length) continue;
        this.#matched = 0;
        return { passed: Uint8Array.from(passed), complete: true };
      }
      passed.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) passed.push(byte);
    }
    return { passed: Uint8Array.from(passed), complete: false };
  }

  /** What is still held back, when nothing more will be typed. */
  rest(): Uint8Array {
    return Uint8Array.from(this.#keys.slice(0, this.#matched));
  }
}

export function parseDetachKeys(text: string): number[] {
  return text.split(",").map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (control === undefined) throw invalid(`Invalid detach keys (${text}) provided`);
    return control.toUpperCase().charCodeAt(0) & 0x1f;
  });
}

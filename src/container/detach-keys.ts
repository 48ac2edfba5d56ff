import { Transform, type TransformCallback } from "node:stream";
import { invalid } from "../errors/index.ts";

const DEFAULT_KEYS = "ctrl-p,ctrl-q";

/**
 * Passes typed bytes on until the detach sequence appears, which is swallowed and announced by a `detach` event.
 * A begun sequence is held back until the next key decides. Keys are written as Docker has them: single characters
 * or `ctrl-` with a letter, @, [, \, ], ^ or _, separated by commas.
 */
export class DetachKeys extends Transform {
  private readonly keys: readonly number[];
  private matched = 0;

  constructor(keys: string | undefined) {
    super();
    this.keys = parseDetachKeys(keys === undefined || keys === "" ? DEFAULT_KEYS : keys);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const passed: number[] = [];
    for (const byte of chunk) {
      if (byte === this.keys[this.matched]) {
        this.matched++;
        if (this.matched < this.keys.length) continue;
        this.matched = 0;
        if (passed.length > 0) this.push(Buffer.from(passed));
        this.emit("detach");
        done();
        return;
      }
      passed.push(...this.keys.slice(0, this.matched));
      this.matched = byte === this.keys[0] ? 1 : 0;
      if (this.matched === 0) passed.push(byte);
    }
    done(null, Buffer.from(passed));
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.from(this.keys.slice(0, this.matched)));
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

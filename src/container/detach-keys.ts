import { Transform, type TransformCallback } from "node:stream";
import { KeySequence } from "../units/index.ts";

/** Passes typed bytes on until the detach sequence appears, which is swallowed and announced by a `detach` event. */
export class DetachKeys extends Transform {
  readonly #sequence: KeySequence;

  constructor(keys: string | undefined) {
    super();
    this.#sequence = new KeySequence(keys);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const { passed, complete } = this.#sequence.feed(chunk);
    if (passed.length > 0) this.push(Buffer.from(passed));
    if (complete) this.emit("detach");
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.from(this.#sequence.rest()));
  }
}

import type { Readable } from "node:stream";
import { invalid } from "../errors/index.ts";

/** A stream read by counts: exactly so many bytes, or as many as there are. */
export class ByteSource {
  readonly #chunks: AsyncIterator<unknown>;
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async #next(): Promise<boolean> {
    while (!this.#ended && this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) this.#ended = true;
      else if (value instanceof Uint8Array) this.#rest = value;
      else throw invalid("the archive's stream gives text instead of bytes");
    }
    return !this.#ended;
  }

  /** Up to `limit` bytes, as they come without copying; undefined at the end. */
  async some(limit: number): Promise<Uint8Array | undefined> {
    if (limit === 0 || !(await this.#next())) return undefined;
    const part = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }

  /** Exactly `count` bytes; undefined when the stream ends before the first of them. Throws invalid when it ends between. */
  async exactly(count: number): Promise<Uint8Array | undefined> {
    const first = await this.some(count);
    if (first === undefined || first.length === count) return first;
    const bytes = new Uint8Array(count);
    bytes.set(first);
    for (let done = first.length; done < count; ) {
      const part = await this.some(count - done);
      if (part === undefined) throw invalid("unexpected EOF: the archive is cut short");
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      const part = await this.some(left);
      if (part === undefined) throw invalid("unexpected EOF: the archive is cut short");
      left -= part.length;
    }
  }

  /** Read on to the end, so that the other side of a connection is not cut off while it still sends. */
  async drain(): Promise<void> {
    while ((await this.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  }
}

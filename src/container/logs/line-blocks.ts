import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { OpenLogFile } from "./file-set.ts";

const BLOCK_BYTES = 1 << 20;
const COMPRESSED_STEP_BYTES = 1 << 16;
/** The engine cuts lines at 16 KiB of output. What is longer than this is no log, and must not fill the memory. */
const LONGEST_LINE_BYTES = 8 << 20;
const NEWLINE = 0x0a;

/** Bytes of a file in order. */
export interface ByteReader extends Disposable {
  /** Fill the front of `into`; 0 at the present end, which may grow. */
  read(into: Buffer): Promise<number>;
}

/** A reader of one file; `position` and `end` are of plain ones. Disposing it leaves the file open. */
export function readerOf(file: OpenLogFile, position: number, end = Number.POSITIVE_INFINITY): ByteReader {
  return file.compressed ? readCompressed(file) : readPlain(file, position, end);
}

/** From `position` to `end`, or to wherever the end is at each read. A file that was cut shorter is read from its start. */
function readPlain({ handle }: OpenLogFile, position: number, end: number): ByteReader {
  let at = position;
  return {
    async read(into) {
      const length = Math.min(into.length, end - at);
      if (length <= 0) return 0;
      const { bytesRead } = await handle.read(into, 0, length, at);
      if (bytesRead === 0 && (await handle.stat()).size < at) at = 0;
      at += bytesRead;
      return bytesRead;
    },
    [Symbol.dispose]() {},
  };
}

/** The whole of a file compressed by gzip. A damaged one ends where the damage begins. */
export function readCompressed({ handle }: OpenLogFile): ByteReader {
  const source = Readable.from(bytesOf(handle));
  const plain = source.pipe(createGunzip());
  source.once("error", (error) => plain.destroy(error));
  const chunks: AsyncIterator<Buffer> = plain[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  return {
    async read(into) {
      if (rest.length === 0) {
        const next = await chunks.next().catch((error: unknown) => {
          if (isDamage(error)) return undefined;
          throw error;
        });
        if (next === undefined || next.done === true) return 0;
        rest = next.value;
      }
      const length = rest.copy(into);
      rest = rest.subarray(length);
      return length;
    },
    [Symbol.dispose]() {
      source.destroy();
      plain.destroy();
    },
  };
}

/** By position, and without closing it in the end: a file may be read a second time. */
async function* bytesOf(handle: FileHandle): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await handle.read(
      Buffer.allocUnsafe(COMPRESSED_STEP_BYTES),
      0,
      undefined,
      at,
    );
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

const isDamage = (error: unknown) =>
  error instanceof Error && "code" in error && /^Z_/.test(String(error.code));

/** Cuts what a reader gives into blocks of whole lines. */
export class LineBlocks {
  readonly #reader: ByteReader;
  #buffer: Buffer | undefined;
  /** Bytes at the front of the buffer that belong to a line whose end is still to come. */
  #carried = 0;
  /** Where the next call finds them. */
  #carriedFrom = 0;
  #skipping = false;

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  /**
   * The next block, ending with a newline; valid until the next call. Undefined at the present end of the file; what
   * was read of an unfinished line stays here, and the memory is given back when there is none.
   */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const buffer = this.#room();
      const length = await this.#reader.read(buffer.subarray(this.#carried));
      if (length === 0) {
        if (this.#carried === 0) this.#buffer = undefined;
        return undefined;
      }
      const filled = this.#carried + length;
      const last = buffer.lastIndexOf(NEWLINE, filled - 1);
      if (last < this.#carried) {
        this.#carried = filled;
        continue;
      }
      const start = this.#skipping ? buffer.indexOf(NEWLINE) + 1 : 0;
      this.#skipping = false;
      this.#carriedFrom = last + 1;
      this.#carried = filled - this.#carriedFrom;
      if (start <= last) return buffer.subarray(start, last + 1);
    }
  }

  /** The unfinished line, once the file will not grow any more. */
  rest(): Buffer {
    const rest = this.#skipping
      ? undefined
      : this.#buffer?.subarray(this.#carriedFrom, this.#carriedFrom + this.#carried);
    return rest ?? Buffer.alloc(0);
  }

  /** The buffer with the unfinished line at its front and room behind it. */
  #room(): Buffer {
    let buffer = this.#buffer ?? Buffer.allocUnsafe(BLOCK_BYTES);
    if (this.#carriedFrom > 0) {
      buffer.copyWithin(0, this.#carriedFrom, this.#carriedFrom + this.#carried);
      this.#carriedFrom = 0;
    }
    if (this.#carried >= LONGEST_LINE_BYTES) {
      this.#skipping = true;
      this.#carried = 0;
    } else if (this.#carried === buffer.length) {
      const larger = Buffer.allocUnsafe(2 * buffer.length);
      buffer.copy(larger, 0, 0, this.#carried);
      buffer = larger;
    }
    this.#buffer = buffer;
    return buffer;
  }
}

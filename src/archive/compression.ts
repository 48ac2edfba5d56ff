import { pipeline, Readable, Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { invalid, unsupported } from "../errors/index.ts";
import { unpackedLimit } from "./proportion.ts";

export type Compression = "none" | "gzip" | "zstd" | "xz" | "bzip2";

const MAGIC: readonly [Compression, readonly number[]][] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
];

/** How the bytes are compressed, told by their first six. */
export function detectCompression(head: Uint8Array): Compression {
  const found = MAGIC.find(([, magic]) => magic.every((byte, at) => head[at] === byte));
  return found === undefined ? "none" : found[0];
}

/**
 * The plain bytes of a stream that may be compressed with gzip or zstd. Destroying the result destroys the source;
 * a failure of either is the failure of the result, and so is it when more comes out than `limit` gives for what went
 * in (invalid). Throws unsupported for other compressions.
 */
export async function decompressed(source: Readable, limit = unpackedLimit): Promise<Readable> {
  const { head, whole } = await peek(source, 6);
  const compression = detectCompression(head);
  if (compression === "none") return whole;
  if (compression !== "gzip" && compression !== "zstd") {
    source.destroy();
    throw unsupported(`archives compressed with ${compression} cannot be loaded: decompress it first`);
  }
  const inflate = compression === "gzip" ? createGunzip() : createZstdDecompress();
  // The error reaches the reader through `inflate` itself, which pipeline destroys with it.
  return pipeline(whole, inflate, inProportion(inflate, limit), () => undefined);
}

/** Passes on what comes out of a decompressor as long as it is no bomb. */
function inProportion(
  inflate: { readonly bytesWritten: number },
  limit: (compressedBytes: number) => number,
): Transform {
  let count = 0;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      count += chunk.length;
      if (count <= limit(inflate.bytesWritten)) return done(null, chunk);
      done(invalid(`the archive unpacks to over ${limit(inflate.bytesWritten)} bytes, far more than it has`));
    },
  });
}

/** The first bytes of a stream, and the stream with them put back in front. */
async function peek(source: Readable, count: number): Promise<{ head: Uint8Array; whole: Readable }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const iterator: AsyncIterator<unknown> = source[Symbol.asyncIterator]();
  while (length < count) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    const chunk = value instanceof Uint8Array ? value : Buffer.from(String(value));
    chunks.push(chunk);
    length += chunk.length;
  }
  async function* again(): AsyncGenerator<unknown> {
    try {
      yield* chunks;
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      source.destroy();
    }
  }
  return { head: Buffer.concat(chunks), whole: Readable.from(again(), { objectMode: false }) };
}

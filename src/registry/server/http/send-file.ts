import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import type { ServerResponse } from "node:http";

/** Large enough that a thread's round trip for each read does not show, few enough that 200 readers stay small in memory. */
const LARGE_BYTES = 1 << 20;
const SMALL_BYTES = 1 << 17;
const MAX_LARGE = 16;

/** Buffers that are used again. Beyond a number of readers at once further ones get small buffers. */
export class SendBuffers {
  readonly #free: Buffer[] = [];
  #lent = 0;

  lend(): { readonly buffer: Buffer } & Disposable {
    if (this.#lent >= MAX_LARGE) return { buffer: Buffer.allocUnsafe(SMALL_BYTES), [Symbol.dispose]() {} };
    this.#lent++;
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
    return {
      buffer,
      [Symbol.dispose]: () => {
        this.#lent--;
        this.#free.push(buffer);
      },
    };
  }
}

/**
 * Send bytes `start` to `end` (both included) of a file as the body of a response whose head is written, one buffer
 * used again and again: with node's streams, which take a new one for each read, the same costs twice the time.
 * Resolves when the kernel has all of it, or at once when `gone` aborts.
 */
export async function sendFile(
  response: ServerResponse,
  file: FileHandle,
  { start, end }: { start: number; end: number },
  buffers: SendBuffers,
  gone: AbortSignal,
): Promise<void> {
  using lent = buffers.lend();
  const lost = aborted(gone);
  for (let at = start; at <= end && !gone.aborted; ) {
    const bytes = await readAt(file, lent.buffer, at, end);
    at += bytes.length;
    await Promise.race([written(response, bytes), lost]);
  }
  response.end();
}

async function readAt(file: FileHandle, buffer: Buffer, at: number, end: number): Promise<Buffer> {
  const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at + 1), at);
  if (bytesRead === 0) throw new Error("the blob's file is shorter than its row says");
  return buffer.subarray(0, bytesRead);
}

/** Resolves when the kernel has the bytes, so that their buffer may be used again. */
function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.write(bytes, () => resolve());
  return promise;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

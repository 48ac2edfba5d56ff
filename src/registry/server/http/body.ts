import type { IncomingMessage } from "node:http";
import { RegistryError } from "../errors.ts";

/** A body must bring this much in each window, or its sender holds the connection for nothing (slowloris). */
const WINDOW_MS = 60_000;
const MIN_BYTES_A_WINDOW = 16 * 1024;

/**
 * A request's body as it comes, with back-pressure. Who stops reading early leaves the connection as it is, so that an
 * answer can still be sent. Throws when the client goes away before the announced end, or sends next to nothing.
 */
export async function* bodyOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  let inWindow = 0;
  const window = setInterval(() => {
    if (inWindow < MIN_BYTES_A_WINDOW) request.socket.destroy();
    inWindow = 0;
  }, WINDOW_MS);
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      inWindow += chunk.length;
      yield chunk;
    }
  } finally {
    clearInterval(window);
  }
  if (!request.complete)
    throw new RegistryError("SIZE_INVALID", "the body ended before its announced length");
}

/** The whole body of a request that should be small. Throws with status 413 beyond `limitBytes`. */
export async function readSmallBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const tooLarge = () =>
    new RegistryError("SIZE_INVALID", `the body is larger than the allowed ${limitBytes} bytes`, {
      status: 413,
    });
  if ((contentLength(request) ?? 0) > limitBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of bodyOf(request)) {
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The announced length in bytes; undefined for a stream. */
export function contentLength(request: IncomingMessage): number | undefined {
  const text = request.headers["content-length"];
  return text === undefined ? undefined : Number(text);
}

import type { IncomingMessage } from "node:http";
import { RegistryError } from "../errors.ts";
import type { Limits } from "../limits.ts";

/**
 * A request's body as it comes, with back-pressure. Who stops reading early leaves the connection as it is, so that an
 * answer can still be sent. Throws when the client goes away before the announced end, or sends next to nothing.
 */
export async function* bodyOf(request: IncomingMessage, limits: Limits): AsyncGenerator<Buffer> {
  let inWindow = 0;
  const window = setInterval(() => {
    if (inWindow < limits.minBytesPerWindow) request.socket.destroy();
    inWindow = 0;
  }, limits.bodyWindowMs);
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
export async function readSmallBody(
  request: IncomingMessage,
  limitBytes: number,
  limits: Limits,
): Promise<Buffer> {
  const tooLarge = () =>
    new RegistryError("SIZE_INVALID", `the body is larger than the allowed ${limitBytes} bytes`, {
      status: 413,
    });
  if ((contentLength(request) ?? 0) > limitBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of bodyOf(request, limits)) {
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

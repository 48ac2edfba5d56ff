import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { invalid } from "../errors/index.ts";

const MAX_BYTES = 1024 * 1024;

/**
 * The body of a request that also asks to take the connection over (`POST /exec/{id}/start`). The HTTP parser stops at
 * the headers of such a request, so the body's bytes are in `head` and on the socket; what follows them is already
 * the other protocol's and is put back. Reads Content-Length and chunked bodies (RFC 9112, sections 6 and 7).
 */
export async function takeBody(request: IncomingMessage, socket: Socket, head: Buffer): Promise<Buffer> {
  const chunked = /\bchunked\b/i.test(request.headers["transfer-encoding"] ?? "");
  const length = Number(request.headers["content-length"] ?? 0);
  if (!Number.isInteger(length) || length < 0 || length > MAX_BYTES) throw invalid("request body too large");
  let bytes = head;
  for (;;) {
    const found = chunked
      ? parseChunked(bytes)
      : bytes.length >= length
        ? { body: bytes.subarray(0, length), end: length }
        : undefined;
    if (found !== undefined) {
      if (found.end < bytes.length) socket.unshift(bytes.subarray(found.end));
      return found.body;
    }
    if (bytes.length > MAX_BYTES) throw invalid("request body too large");
    bytes = Buffer.concat([bytes, await readSome(socket)]);
  }
}

function readSome(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const take = (chunk: Buffer) => {
      settle();
      socket.pause();
      resolve(chunk);
    };
    const lost = () => {
      settle();
      reject(invalid("the connection ended inside the request body"));
    };
    const settle = () => {
      socket.off("data", take);
      socket.off("end", lost);
      socket.off("close", lost);
    };
    socket.on("data", take);
    socket.on("end", lost);
    socket.on("close", lost);
    socket.resume();
  });
}

/** undefined while it is not whole. */
function parseChunked(bytes: Buffer): { body: Buffer; end: number } | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    if (!Number.isInteger(size) || size < 0 || size > MAX_BYTES) throw invalid("malformed chunked body");
    const end = line + 2 + size + 2;
    if (bytes.length < end) return undefined;
    if (size === 0) return { body: Buffer.concat(parts), end };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = end;
  }
}

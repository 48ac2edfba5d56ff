import { once } from "node:events";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { AttachedStreams } from "../container/index.ts";
import { messageOf } from "../errors/index.ts";
import type { ProgressMessage } from "../wire/index.ts";
import { type Exchange, stringify } from "./exchange.ts";

const RAW = "application/vnd.docker.raw-stream";
const MULTIPLEXED = "application/vnd.docker.multiplexed-stream";
/** API version from which frames are announced by their own content type. */
const MULTIPLEXED_SINCE = 142;

/** How long a client may take to close a connection on which nothing more is to come. */
const LINGER_MS = 2000;

const contentType = (tty: boolean, version: number): string =>
  tty || version < MULTIPLEXED_SINCE ? RAW : MULTIPLEXED;

/** Hand the connection over to a container's stdio. */
export async function hijack(exchange: Exchange, streams: AttachedStreams): Promise<void> {
  const type = contentType(streams.tty, exchange.version);
  const { request, taken: socket = request.socket } = exchange;
  if (request.headers.upgrade === undefined) {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n\r\n`);
  } else {
    socket.write(
      `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
    );
  }
  const { output, input } = streams;
  const finish = () => {
    streams.close().catch(() => socket.destroy());
    if (input !== undefined) socket.unpipe(input);
    endGently(socket);
  };
  const { promise: over, resolve } = Promise.withResolvers<void>();
  for (const stream of [socket, output]) {
    stream.on("error", () => resolve());
    stream.on("close", resolve);
  }
  output.on("end", resolve);
  over.then(finish);
  output.pipe(socket, { end: false });
  if (input === undefined) {
    socket.resume();
    return;
  }
  // A process that has closed its stdin no longer reads; its output goes on.
  input.on("error", () => socket.resume());
  socket.pipe(input);
}

/**
 * Nothing more is said, and what the client still says is thrown away until it goes as well: of a connection that is
 * closed with bytes that nobody has read, the kernel tells the other end that it was reset (unix(7), tcp(7)), after
 * which a client that typed ahead ends with an error.
 */
function endGently(socket: Socket): void {
  socket.end();
  socket.resume();
  const limit = setTimeout(() => socket.destroy(), LINGER_MS);
  if (socket.destroyed) clearTimeout(limit);
  else socket.once("close", () => clearTimeout(limit));
}

/** Stream a container's log until it ends or the client goes away. */
export async function sendOutput(exchange: Exchange, tty: boolean, output: Readable): Promise<void> {
  const { response, version, gone } = exchange;
  response.writeHead(200, { "Content-Type": contentType(tty, version) });
  response.flushHeaders();
  const stop = () => output.destroy();
  gone.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of output) {
      if (!response.write(chunk)) await drained(exchange);
    }
    response.end();
  } catch (error) {
    if (!gone.aborted) throw error;
  } finally {
    gone.removeEventListener("abort", stop);
  }
}

/** Resolves when more can be written, or when nobody reads any more. */
async function drained({ response, gone }: Exchange): Promise<void> {
  if (gone.aborted) return;
  await once(response, "drain", { signal: gone }).catch(() => {});
}

/** A stream of JSON objects; what fails after the first is told in the stream, for the status has been sent. */
export async function sendProgress(
  exchange: Exchange,
  messages: AsyncIterable<ProgressMessage>,
): Promise<void> {
  const { response } = exchange;
  const iterator = messages[Symbol.asyncIterator]();
  // Until the first message an error still has a status of its own.
  let next = await iterator.next();
  response.writeHead(200, { "Content-Type": "application/json" });
  response.flushHeaders();
  try {
    while (!next.done) {
      if (!response.write(`${stringify(next.value)}\r\n`)) await drained(exchange);
      next = await iterator.next();
    }
  } catch (error) {
    const message = messageOf(error);
    response.write(`${stringify({ errorDetail: { message }, error: message })}\r\n`);
  }
  response.end();
}

/** A stream of JSON objects, one a line. Until the first an error has a status of its own; later it ends the stream. */
export async function sendObjects(exchange: Exchange, objects: AsyncIterable<unknown>): Promise<void> {
  const { response } = exchange;
  const iterator = objects[Symbol.asyncIterator]();
  let next = await iterator.next();
  response.writeHead(200, { "Content-Type": "application/json" });
  response.flushHeaders();
  for (; !next.done; next = await iterator.next())
    if (!response.write(`${stringify(next.value)}\n`)) await drained(exchange);
  response.end();
}

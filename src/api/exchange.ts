import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { PassThrough, type Readable } from "node:stream";
import type { Engine } from "../daemon/index.ts";
import { cancelled, invalid } from "../errors/index.ts";
import { type JsonObject, object } from "./parse/fields.ts";
import type { Query } from "./parse/query.ts";

declare global {
  interface JSON {
    /** A text that stringify puts in as it is (ECMAScript proposal json-parse-with-source; not yet in TypeScript's lib). */
    rawJSON(text: string): object;
  }
}

/** One request and the means to answer it. */
export interface Exchange {
  readonly engine: Engine;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Values of the path's {placeholders}, decoded. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: Query;
  /** As a number: 1.41 is 141. */
  readonly version: number;
  /** Aborts when the client goes away. */
  readonly gone: AbortSignal;
  /** The connection, where it can be taken over; then `response` must not be used. */
  readonly taken: Socket | undefined;
}

const MAX_JSON_BYTES = 8 * 1024 * 1024;

/** The JSON object in the body; {} for an empty one. Throws invalid. */
export async function readJson(exchange: Exchange): Promise<JsonObject> {
  const bytes = await readBody(exchange.request);
  if (bytes.length === 0) return {};
  const type = exchange.request.headers["content-type"] ?? "";
  // A page in a browser can send anything else to a port of this machine without being asked.
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw invalid(`unsupported Content-Type header (${type}): must be 'application/json'`);
  try {
    return object(JSON.parse(bytes.toString("utf8")), "body");
  } catch (cause) {
    throw invalid(
      cause instanceof SyntaxError
        ? `invalid JSON: ${cause.message}`
        : String(cause instanceof Error ? cause.message : cause),
      { cause },
    );
  }
}

/**
 * The body as a stream of its own: whoever has read enough of it may destroy it, the rest is then read and dropped, and
 * the connection still carries the answer.
 */
export function bodyOf({ request }: Exchange): Readable {
  const body = new PassThrough();
  request.pipe(body);
  request.once("close", () => {
    if (!request.complete) body.destroy(cancelled("the client went away while it sent the body"));
  });
  body.once("close", () => {
    request.unpipe(body);
    request.resume();
  });
  return body;
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_JSON_BYTES) throw invalid("request body too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Answer with JSON. Nanosecond times of events are bigints and print as whole numbers. */
export function sendJson({ response }: Exchange, status: number, value: unknown): void {
  const body = `${stringify(value)}\n`;
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
}

export function sendNothing({ response }: Exchange, status: number): void {
  response.writeHead(status, status === 204 || status === 304 ? {} : { "Content-Length": 0 });
  response.end();
}

/** JSON in which bigints are numbers of full precision. */
export function stringify(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "bigint" ? JSON.rawJSON(String(item)) : item,
  );
}

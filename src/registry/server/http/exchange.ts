import type { IncomingMessage, ServerResponse } from "node:http";
import type { Identity } from "../access/access.ts";

/** One request of a known client, and the means to answer it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly query: URLSearchParams;
  readonly identity: Identity;
  /** Aborts when the client goes away. */
  readonly gone: AbortSignal;
}

export type Headers = Readonly<Record<string, string | number>>;

/** Answer with bytes that are in memory. HEAD gets their length only. */
export function sendBytes(
  { response, method }: Pick<Exchange, "response" | "method">,
  status: number,
  headers: Headers,
  body: string | Uint8Array,
): void {
  response.writeHead(status, { ...headers, "Content-Length": Buffer.byteLength(body) });
  response.end(method === "HEAD" ? undefined : body);
}

export function sendJson(
  exchange: Pick<Exchange, "response" | "method">,
  value: unknown,
  headers: Headers = {},
): void {
  sendBytes(exchange, 200, { "Content-Type": "application/json", ...headers }, `${JSON.stringify(value)}\n`);
}

/** Answer with a status and headers alone. */
export function sendNothing(
  { response }: Pick<Exchange, "response">,
  status: number,
  headers: Headers = {},
): void {
  response.writeHead(
    status,
    status === 204 || status === 304 ? headers : { ...headers, "Content-Length": 0 },
  );
  response.end();
}

import { request as requestHttp } from "node:http";
import { type Agent, request as requestHttps } from "node:https";
import type { Readable } from "node:stream";
import { cancelled, EngineError, errnoOf, messageOf } from "../errors/index.ts";

/** One HTTP request to a registry or a token server. */
export interface RegistryRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes, or a stream of exactly `sizeBytes`, opened anew for each attempt. */
  readonly body?: string | Uint8Array | RequestStream;
}

export interface RequestStream {
  readonly sizeBytes: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface RegistryResponse {
  /** Where it came from, after redirects. */
  readonly url: URL;
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** To be read to its end or destroyed. Fails when the connection breaks or stalls. */
  readonly body: Readable;
}

/** How a host is reached: its trust, its client certificate, the proxy. */
export interface Connector {
  readonly agent: Agent | undefined;
}

/** A connection that failed in a way that a second attempt may not meet. */
export class ConnectionError extends EngineError {
  /** The system's or TLS library's code, such as ECONNREFUSED. */
  readonly code: string;

  constructor(message: string, code: string, cause: unknown) {
    super("unavailable", message, { cause });
    this.code = code;
  }
}

/** Without a byte for so long a connection counts as broken. */
const STALL_MS = 60_000;

/**
 * Send one request and read the head of its answer. Redirects are not followed and nothing is decompressed: blobs
 * must come as they are. Throws ConnectionError in the words of Docker's clients, cancelled on abort.
 */
export async function send(
  request: RegistryRequest,
  connector: Connector,
  signal: AbortSignal,
): Promise<RegistryResponse> {
  const { method, url, body } = request;
  if (signal.aborted) throw cancelled(`${method} ${url.host} was cancelled`, { cause: signal.reason });
  const { promise, resolve, reject } = Promise.withResolvers<RegistryResponse>();
  const outgoing = (url.protocol === "http:" ? requestHttp : requestHttps)(url, {
    method,
    headers: { "user-agent": "gantry", ...request.headers, ...lengthOf(body) },
    ...(connector.agent === undefined ? {} : { agent: connector.agent }),
  });
  const stop = () => outgoing.destroy(cancelled(`${method} ${url.host} was cancelled`));
  signal.addEventListener("abort", stop, { once: true });
  const stalled = stallTimer(() => outgoing.destroy(new Error("the connection stalled")));
  outgoing.on("error", (cause) => {
    stalled.end();
    signal.removeEventListener("abort", stop);
    reject(
      signal.aborted ? cancelled(`${method} ${url.host} was cancelled`) : connectionError(request, cause),
    );
  });
  outgoing.on("response", (response) => {
    stalled.touch();
    response.on("data", stalled.touch);
    response.pause();
    response.on("close", () => {
      stalled.end();
      signal.removeEventListener("abort", stop);
    });
    const headers: Record<string, string | undefined> = {};
    for (const [name, value] of Object.entries(response.headers)) {
      headers[name] = Array.isArray(value) ? value.join(", ") : value;
    }
    resolve({ url, status: response.statusCode ?? 0, headers, body: response });
  });
  if (typeof body === "object" && "open" in body) {
    feed(body, outgoing, stalled.touch).catch((error) => outgoing.destroy(error));
  } else outgoing.end(body);
  return promise;
}

function lengthOf(body: RegistryRequest["body"]): Record<string, string> {
  if (body === undefined) return {};
  if (typeof body === "object" && "open" in body) return { "content-length": String(body.sizeBytes) };
  return { "content-length": String(Buffer.byteLength(body)) };
}

async function feed(
  stream: RequestStream,
  outgoing: NodeJS.WritableStream & { readonly destroyed: boolean },
  touch: () => void,
): Promise<void> {
  for await (const chunk of stream.open()) {
    // A server that refuses the body has answered already.
    if (outgoing.destroyed) return;
    touch();
    if (!outgoing.write(chunk)) await drained(outgoing);
  }
  outgoing.end();
}

function drained(outgoing: NodeJS.WritableStream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const settle = () => {
    for (const event of ["drain", "close", "error"]) outgoing.removeListener(event, settle);
    resolve();
  };
  for (const event of ["drain", "close", "error"]) outgoing.once(event, settle);
  return promise;
}

function stallTimer(expire: () => void): { touch(): void; end(): void } {
  const timer = setTimeout(expire, STALL_MS);
  timer.unref();
  return { touch: () => void timer.refresh(), end: () => clearTimeout(timer) };
}

/** OpenSSL's names for what is wrong with a certificate, in the words that Docker's users search for. */
const CERTIFICATE_FAULTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate signed by unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate signed by unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate signed by unknown authority",
  CERT_HAS_EXPIRED: "certificate has expired or is not yet valid",
  CERT_NOT_YET_VALID: "certificate has expired or is not yet valid",
};

function connectionError({ method, url }: RegistryRequest, cause: unknown): ConnectionError {
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  return new ConnectionError(
    `${verb} "${url.origin}${url.pathname}": ${connectionWords(url, cause)}`,
    errnoOf(cause) ?? "",
    cause,
  );
}

/** Why there was no connection to a server, in the words that Docker's users know. */
export function connectionWords(url: URL, cause: unknown): string {
  const code = errnoOf(cause) ?? "";
  const fault = CERTIFICATE_FAULTS[code];
  if (fault !== undefined) return `tls: failed to verify certificate: x509: ${fault}`;
  switch (code) {
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `tls: failed to verify certificate: x509: certificate is not valid for ${url.hostname}`;
    case "ECONNREFUSED":
      return `dial tcp ${url.hostname}:${portOf(url)}: connect: connection refused`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `dial tcp: lookup ${url.hostname}: no such host`;
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return "http: server gave HTTP response to HTTPS client";
    case "ECONNRESET":
      return "connection reset by peer";
    default:
      return messageOf(cause);
  }
}

const portOf = (url: URL): string => url.port || (url.protocol === "http:" ? "80" : "443");

/** What a host fails with that does not speak TLS at all, or not at its usual port. */
const NO_TLS = ["ERR_SSL_WRONG_VERSION_NUMBER", "EPROTO", "ECONNRESET", "ECONNREFUSED"];

export const isNoTls = (error: unknown): boolean =>
  error instanceof ConnectionError && NO_TLS.includes(error.code);

/** Whether a second attempt is worthwhile: certificates, names and refusals do not get better by themselves. */
export const isTransient = (error: unknown): boolean =>
  error instanceof ConnectionError &&
  CERTIFICATE_FAULTS[error.code] === undefined &&
  !["ERR_TLS_CERT_ALTNAME_INVALID", "ENOTFOUND", "ECONNREFUSED", "ERR_SSL_WRONG_VERSION_NUMBER"].includes(
    error.code,
  );

/** At most so many bytes of a body, as text; the rest is not read. For error bodies and tokens. */
export async function readText(response: RegistryResponse, limitBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, limitBytes).toString("utf8");
}

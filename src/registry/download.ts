import { STATUS_CODES } from "node:http";
import type { Readable } from "node:stream";
import { EngineError, type ErrorKind } from "../errors/index.ts";
import type { RegistryNetwork } from "./network.ts";
import { sendAlong } from "./redirect.ts";
import { readText } from "./transport.ts";

/** A file that is on its way. */
export interface Download {
  /** To be read to its end or destroyed. Fails when the connection breaks before the announced end. */
  readonly body: Readable;
  /** Undefined when the server does not tell. */
  readonly sizeBytes: number | undefined;
}

const MAX_ERROR_BYTES = 1024;
const KINDS: Readonly<Record<number, ErrorKind>> = { 400: "invalid", 403: "forbidden", 404: "not-found" };

/**
 * Begin to read a file of the web, by the proxies and authorities that registries are reached with, and without an
 * account. Throws ConnectionError, or with the status and first words of a server that refuses.
 */
export async function download(network: RegistryNetwork, url: URL, signal: AbortSignal): Promise<Download> {
  const response = await sendAlong(network, { method: "GET", url }, signal);
  const { status, body, headers } = response;
  if (status >= 400) {
    const words = (await readText(response, MAX_ERROR_BYTES).catch(() => "")).trim();
    throw new EngineError(
      KINDS[status] ?? "unavailable",
      `failed to GET ${url.href} with status ${status} ${STATUS_CODES[status] ?? ""}: ${words}`,
    );
  }
  const length = headers["content-length"];
  return { body, sizeBytes: length === undefined ? undefined : Number(length) };
}

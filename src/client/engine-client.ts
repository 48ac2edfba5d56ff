import { type ByteChannel, connectChannel, type TlsOptions } from "../platform/channel/index.ts";
import { API_VERSION, type ProgressMessage } from "../wire/index.ts";
import { parseHost } from "./host.ts";
import { exchange, type HttpRequest, type HttpResponse } from "./http.ts";
import { jsonLines } from "./json-lines.ts";

/** An answer of the daemon that says no. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Nobody listens at the host, or we may not connect. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
}

/** What a daemon speaks that does not say what. */
const OLDEST = "1.24";

/** Values of a query; undefined ones are left out, those of a list are repeated. */
export type QueryValues = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface ClientOptions {
  /** For hosts that are no unix socket. */
  readonly tls?: TlsOptions | undefined;
  /** Asked once when nobody listens; true when it is worth to connect again. */
  readonly revive?: () => Promise<boolean>;
  /** Told of each request and its answer's status, in a few words. */
  readonly trace?: ((words: string) => void) | undefined;
}

/** The Engine API at one host. Every call opens a connection of its own: on a unix socket that costs less than sharing. */
export class EngineClient {
  readonly host: string;
  readonly #options: ClientOptions;
  #version: Promise<string> | undefined;

  constructor(host: string, options: ClientOptions = {}) {
    this.host = host;
    this.#options = options;
  }

  /** The version of the Engine API that is spoken ("1.41"): the newest that both know. The daemon is asked once. */
  apiVersion(): Promise<string> {
    this.#version ??= this.#negotiate();
    return this.#version;
  }

  /** The JSON of an answer; undefined for one without a body. Throws ApiError or ConnectError. */
  async json<T>(
    method: string,
    path: string,
    query: QueryValues = {},
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<T> {
    await using call = await this.call(method, path, query, body, headers);
    const text = await textOf(call.response.body);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** The bytes of an answer as they come. */
  async *bytes(method: string, path: string, query: QueryValues = {}): AsyncGenerator<Uint8Array> {
    await using call = await this.call(method, path, query);
    yield* call.response.body;
  }

  /** The JSON objects of an answer as they come. A message that tells of an error is thrown as ApiError. */
  async *progress(
    path: string,
    query: QueryValues,
    body?: AsyncIterable<Uint8Array>,
    headers?: Readonly<Record<string, string>>,
  ): AsyncGenerator<ProgressMessage> {
    await using call = await this.call("POST", path, query, body, headers);
    for await (const message of jsonLines<ProgressMessage>(call.response.body)) {
      if (message.error !== undefined) throw new ApiError(500, message.error);
      yield message;
    }
  }

  /** The JSON objects of an answer as they come. */
  async *objects<T>(path: string, query: QueryValues): AsyncGenerator<T> {
    await using call = await this.call("GET", path, query);
    yield* jsonLines<T>(call.response.body);
  }

  /** Ask for the connection itself (attach, exec). The caller closes it. */
  async hijack(path: string, query: QueryValues, body?: unknown): Promise<ByteChannel> {
    const target = await this.#target(path, query);
    const channel = await this.#connect();
    try {
      const response = await this.#exchange(channel, {
        ...requestOf("POST", target, body),
        headers: { "Content-Type": "application/json", Connection: "Upgrade", Upgrade: "tcp" },
      });
      if (response.status !== 101 && response.status !== 200) await refuse(response);
      return channel;
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  /** One request; the connection is closed with the disposal. */
  async call(
    method: string,
    path: string,
    query: QueryValues = {},
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ response: HttpResponse } & AsyncDisposable> {
    const target = await this.#target(path, query);
    const channel = await this.#connect();
    try {
      const request = requestOf(method, target, body);
      const response = await this.#exchange(channel, {
        ...request,
        headers: { ...request.headers, ...headers },
      });
      if (response.status >= 400) await refuse(response);
      return { response, [Symbol.asyncDispose]: async () => channel.close() };
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  async #target(path: string, query: QueryValues): Promise<string> {
    const pairs = Object.entries(query).flatMap(([key, value]) =>
      value === undefined ? [] : [value].flat().map((item) => `${key}=${encodeURIComponent(String(item))}`),
    );
    return `/v${await this.apiVersion()}${path}${pairs.length === 0 ? "" : `?${pairs.join("&")}`}`;
  }

  /** A daemon tells its newest version with its answer to a ping; one that tells none is from before 1.25. */
  async #negotiate(): Promise<string> {
    await using channel = await this.#connect();
    const { headers } = await this.#exchange(channel, { method: "HEAD", path: "/_ping" });
    const theirs = headers.get("api-version") ?? OLDEST;
    return numberOf(theirs) < numberOf(API_VERSION) ? theirs : API_VERSION;
  }

  async #exchange(channel: ByteChannel, request: HttpRequest): Promise<HttpResponse> {
    const response = await exchange(channel, request);
    this.#options.trace?.(`${request.method} ${this.host}${request.path}: ${response.status}`);
    return response;
  }

  async #connect(): Promise<ByteChannel> {
    const { tls, revive = async () => false } = this.#options;
    const address = parseHost(this.host, tls);
    try {
      return await connectChannel(address);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EACCES" || code === "EPERM") {
        throw new ConnectError(
          `permission denied while trying to connect to the Gantry daemon socket at ${this.host}`,
          { cause: error },
        );
      }
      if (await revive()) return connectChannel(address);
      // A server that is there and is not trusted, or does not trust us, is told of in TLS's words.
      const isUntrusted = tls !== undefined && code !== "ECONNREFUSED" && error instanceof Error;
      throw new ConnectError(
        isUntrusted
          ? `Cannot connect to the Gantry daemon at ${this.host}: ${error.message}`
          : `Cannot connect to the Gantry daemon at ${this.host}. Is the gantry daemon running?`,
        { cause: error },
      );
    }
  }
}

function requestOf(method: string, path: string, body: unknown): HttpRequest {
  if (body === undefined) return { method, path };
  if (isStream(body)) return { method, path, headers: { "Content-Type": "application/x-tar" }, body };
  return { method, path, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/** "1.41" as 1041. */
function numberOf(version: string): number {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major * 1000 + minor;
}

const isStream = (body: unknown): body is AsyncIterable<Uint8Array> =>
  typeof body === "object" && body !== null && Symbol.asyncIterator in body;

/** The words of any daemon for a path that it does not serve. */
const NO_SUCH_PATH = "page not found";

async function refuse(response: HttpResponse): Promise<never> {
  const text = await textOf(response.body);
  let message = text.trim();
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && "message" in parsed)
      message = String(parsed.message);
  } catch {
    // Not the daemon's own words, such as a proxy's: shown as they are.
  }
  if (response.status === 404 && message === NO_SUCH_PATH)
    message = "page not found: this is not a Gantry daemon, or one of another version";
  throw new ApiError(response.status, message || `the daemon answered with status ${response.status}`);
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of body) text += decoder.decode(bytes, { stream: true });
  return text + decoder.decode();
}

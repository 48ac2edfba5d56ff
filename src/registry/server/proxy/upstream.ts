import { messageOf } from "../../../errors/index.ts";
import { parseChallenge } from "../../challenge.ts";
import type { RetryPolicy } from "../../retry.ts";
import { RegistryError } from "../errors.ts";

export interface UpstreamOptions {
  /** Such as "https://registry.example"; a path in it is not used. */
  readonly url: string;
  readonly credentials?: { readonly username: string; readonly password: string };
  /** A tag that upstream confirmed is not asked for again for so long. */
  readonly freshMs: number;
  /** How patiently a blob whose connection broke is gone on with. */
  readonly retry?: RetryPolicy;
}

/** The registry behind a pull-through cache does not answer, or not in a way that says anything about the content. */
export class UpstreamUnavailable extends RegistryError {
  constructor(message: string, cause?: unknown) {
    super("UNAVAILABLE", message, cause === undefined ? {} : { cause });
  }
}

const MAX_REDIRECTS = 5;
/** Until the head of an answer is here. */
const HEAD_TIMEOUT_MS = 30_000;
/** A token without expires_in is good for so long (docker/distribution, docs/spec/auth/token.md). */
const DEFAULT_TOKEN_S = 60;

/** Requests to the other registry, with its authentication. */
export class Upstream {
  readonly #origin: string;
  readonly #credentials: UpstreamOptions["credentials"];
  /** By scope. */
  readonly #authorizations = new Map<string, { value: string; until: number }>();

  constructor({ url, credentials }: UpstreamOptions) {
    this.#origin = new URL(url).origin;
    this.#credentials = credentials;
  }

  /**
   * Ask for a path of a repository, "/blobs/sha256:…". Gives answers of 2xx, 304 and 404. Throws DENIED for what the
   * cache itself may not see, UpstreamUnavailable for everything else.
   */
  async request(
    method: "GET" | "HEAD",
    repository: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response> {
    const scope = `repository:${repository}:pull`;
    const url = `${this.#origin}/v2/${repository}${path}`;
    let answer = await this.#send(method, url, headers, this.#authorizationFor(scope), signal);
    if (answer.status === 401) {
      await answer.body?.cancel();
      const authorization = await this.#authorize(answer.headers.get("www-authenticate"), scope, signal);
      answer = await this.#send(method, url, headers, authorization, signal);
    }
    if (answer.ok || answer.status === 304 || answer.status === 404) return answer;
    await answer.body?.cancel();
    const said = `the registry behind this cache answered ${answer.status}`;
    if (answer.status === 401 || answer.status === 403) throw new RegistryError("DENIED", said);
    if (answer.status === 429) throw new RegistryError("TOOMANYREQUESTS", said);
    throw new UpstreamUnavailable(said);
  }

  #authorizationFor(scope: string): string | undefined {
    const known = this.#authorizations.get(scope);
    return known !== undefined && known.until > Date.now() ? known.value : undefined;
  }

  /** Follows redirects by hand: another origin (the store of a registry's blobs) must not get the authorization. */
  async #send(
    method: string,
    first: string,
    headers: Readonly<Record<string, string>>,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    let url = first;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const own: Record<string, string> =
        authorization !== undefined && new URL(url).origin === this.#origin ? { authorization } : {};
      const answer = await this.#fetch(
        url,
        { method, headers: { ...headers, ...own }, redirect: "manual" },
        signal,
      );
      const location = answer.headers.get("location");
      if (answer.status < 300 || answer.status > 308 || answer.status === 304 || location === null)
        return answer;
      await answer.body?.cancel();
      if (!URL.canParse(location, url) || !/^https?:$/.test(new URL(location, url).protocol)) {
        throw new UpstreamUnavailable("the registry behind this cache redirects to no URL");
      }
      url = new URL(location, url).href;
    }
    throw new UpstreamUnavailable("the registry behind this cache redirects without end");
  }

  async #fetch(url: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const tooSlow = new AbortController();
    const timer = setTimeout(() => tooSlow.abort(), HEAD_TIMEOUT_MS);
    try {
      // Bytes as they are: a blob's digest is of what is sent, whatever encodings the client knows.
      const headers = { ...init.headers, "accept-encoding": "identity" };
      return await fetch(url, { ...init, headers, signal: AbortSignal.any([signal, tooSlow.signal]) });
    } catch (cause) {
      throw new UpstreamUnavailable(
        `the registry behind this cache cannot be reached: ${messageOf(cause)}`,
        cause,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  async #authorize(header: string | null, scope: string, signal: AbortSignal): Promise<string> {
    const challenge = parseChallenge(header);
    const basic =
      this.#credentials === undefined
        ? undefined
        : `Basic ${Buffer.from(`${this.#credentials.username}:${this.#credentials.password}`).toString("base64")}`;
    if (challenge?.scheme === "basic" && basic !== undefined) {
      this.#authorizations.set(scope, { value: basic, until: Number.POSITIVE_INFINITY });
      return basic;
    }
    const { realm = "", service } = challenge?.parameters ?? {};
    if (challenge?.scheme !== "bearer" || !URL.canParse(realm)) {
      throw new RegistryError(
        "DENIED",
        "the registry behind this cache wants credentials, which the cache does not have",
      );
    }
    const url = new URL(realm);
    if (service !== undefined) url.searchParams.set("service", service);
    url.searchParams.set("scope", scope);
    const answer = await this.#fetch(
      url.href,
      { headers: basic === undefined ? {} : { authorization: basic } },
      signal,
    );
    const body: unknown = answer.ok ? await answer.json().catch(() => undefined) : undefined;
    const token = tokenOf(body);
    if (token === undefined) {
      throw new RegistryError("DENIED", `the token server behind this cache refused (${answer.status})`);
    }
    const value = `Bearer ${token.text}`;
    this.#authorizations.set(scope, { value, until: Date.now() + token.seconds * 900 });
    return value;
  }
}

function tokenOf(body: unknown): { text: string; seconds: number } | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { token, access_token, expires_in }: Record<string, unknown> = { ...body };
  const text = token ?? access_token;
  if (typeof text !== "string") return undefined;
  return { text, seconds: typeof expires_in === "number" ? expires_in : DEFAULT_TOKEN_S };
}

/** The body of an answer that should be small. Throws UpstreamUnavailable beyond `limitBytes`. */
export async function readSmall(answer: Response, limitBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of answer.body ?? []) {
      sizeBytes += chunk.byteLength;
      if (sizeBytes > limitBytes) throw new Error(`over ${limitBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new UpstreamUnavailable(
      `the answer of the registry behind this cache broke off: ${messageOf(cause)}`,
      cause,
    );
  }
  return Buffer.concat(chunks);
}

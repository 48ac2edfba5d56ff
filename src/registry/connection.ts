import { EngineError } from "../errors/index.ts";
import { type Challenge, parseChallenge } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import type { RegistryNetwork } from "./network.ts";
import { sendAlong } from "./redirect.ts";
import { sendPatiently } from "./retry.ts";
import type { Endpoint } from "./rules.ts";
import { basicAuthorization, fetchToken, type Token } from "./token.ts";
import { isNoTls, type RegistryRequest, type RegistryResponse, send } from "./transport.ts";

/** A request below the registry's root: "/v2/…", or the whole URL that the registry gave (an upload's Location). */
export type ConnectionRequest = Omit<RegistryRequest, "url"> & {
  readonly path: string | URL;
  readonly scopes: readonly string[];
  /** It may be sent again after a failure that passes; true unless told otherwise. */
  readonly repeatable?: boolean;
};

/** A token is not used any more so shortly before its end. */
const TOKEN_MARGIN_MS = 5_000;

/**
 * A registry under one account: finds out what it speaks (TLS or, where allowed, plain HTTP), answers its challenges,
 * follows its redirects, and repeats what fails in passing.
 */
export class RegistryConnection {
  readonly endpoint: Endpoint;
  readonly #network: RegistryNetwork;
  readonly #credentials: Credentials | undefined;
  readonly #tokens = new Map<string, Promise<Token>>();
  #opened: Promise<URL> | undefined;
  #challenge: Challenge | undefined;

  constructor(network: RegistryNetwork, endpoint: Endpoint, credentials: Credentials | undefined) {
    this.#network = network;
    this.endpoint = endpoint;
    this.#credentials = credentials;
  }

  /** "https://HOST[:PORT]/", once it is known. Throws ConnectionError when nobody answers there. */
  async open(signal: AbortSignal): Promise<URL> {
    this.#opened ??= this.#ping(signal);
    try {
      return await this.#opened;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  /** The challenge of the registry's root; undefined for one that lets everybody in. */
  get challenge(): Challenge | undefined {
    return this.#challenge;
  }

  async #ping(signal: AbortSignal): Promise<URL> {
    const [first, second] = this.#network.schemes(this.endpoint);
    try {
      return await this.#pingBy(first ?? "https", signal);
    } catch (error) {
      if (second === undefined || (first === "https" && !isNoTls(error))) throw error;
      return await this.#pingBy(second, signal);
    }
  }

  async #pingBy(scheme: "http" | "https", signal: AbortSignal): Promise<URL> {
    const root = new URL(`${scheme}://${this.endpoint.host}/`);
    const request: RegistryRequest = { method: "GET", url: new URL("v2/", root) };
    const { retry } = this.#network;
    const response = await sendPatiently(
      () => send(request, this.#network.connector(root), signal),
      retry,
      signal,
    );
    response.body.destroy();
    // A server of TLS answers plain HTTP with this; the other scheme is then the right one.
    if (scheme === "http" && response.status === 400 && this.#network.schemes(this.endpoint).length > 1) {
      throw new EngineError(
        "unavailable",
        `Get "${request.url.href}": the registry does not speak plain HTTP`,
      );
    }
    if (response.status === 401)
      this.#challenge = parseChallenge(response.headers["www-authenticate"] ?? null);
    this.#network.remember(this.endpoint.host, scheme);
    return root;
  }

  /** One request as it is: with no account and no second attempt. */
  async withoutAccount(request: ConnectionRequest, signal: AbortSignal): Promise<RegistryResponse> {
    const root = await this.open(signal);
    const url =
      typeof request.path === "string" ? new URL(request.path.replace(/^\//, ""), root) : request.path;
    const { method, headers = {} } = request;
    return send({ method, url, headers }, this.#network.connector(url), signal);
  }

  /** The answer, whatever its status except for 401 that could be answered. */
  async request(request: ConnectionRequest, signal: AbortSignal): Promise<RegistryResponse> {
    const root = await this.open(signal);
    const url =
      typeof request.path === "string" ? new URL(request.path.replace(/^\//, ""), root) : request.path;
    const attempt = () => this.#sendAuthorized(request, url, root, signal);
    const response =
      request.repeatable === false
        ? await attempt()
        : await sendPatiently(attempt, this.#network.retry, signal);
    const challenge =
      response.status === 401 ? parseChallenge(response.headers["www-authenticate"] ?? null) : undefined;
    if (challenge === undefined || !this.#canAnswer(challenge)) return response;
    response.body.destroy();
    this.#challenge = challenge;
    this.#tokens.clear();
    return this.#sendAuthorized(request, url, root, signal);
  }

  /** The same wrong answer is not given twice. */
  #canAnswer(challenge: Challenge): boolean {
    if (challenge.scheme === "bearer") return this.#credentials?.registryToken === undefined;
    return (
      challenge.scheme === "basic" && this.#credentials !== undefined && this.#challenge?.scheme !== "basic"
    );
  }

  async #sendAuthorized(
    request: ConnectionRequest,
    url: URL,
    root: URL,
    signal: AbortSignal,
  ): Promise<RegistryResponse> {
    const authorization = await this.#authorization(request, url, signal);
    const { method, body, headers = {} } = request;
    return sendAlong(
      this.#network,
      { method, url, headers, ...(body === undefined ? {} : { body }) },
      signal,
      // Only the registry itself may see the credentials: a storage service that it points to is somebody else.
      (target) => (authorization === undefined || target.origin !== root.origin ? {} : { authorization }),
    );
  }

  async #authorization(
    { method, scopes }: ConnectionRequest,
    url: URL,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const challenge = this.#challenge;
    if (challenge === undefined) return undefined;
    if (challenge.scheme === "basic") {
      if (this.#credentials === undefined) {
        const verb = method.charAt(0) + method.slice(1).toLowerCase();
        // Not "unauthorized": for that Docker's client asks the person for a password, also where there is nobody.
        throw new EngineError(
          "forbidden",
          `${verb} "${url.origin}${url.pathname}": no basic auth credentials`,
        );
      }
      return basicAuthorization(this.#credentials);
    }
    if (challenge.scheme !== "bearer") {
      throw new EngineError(
        "unauthorized",
        `the registry asks for ${challenge.scheme} authentication, which is not known`,
      );
    }
    if (this.#credentials?.registryToken !== undefined) return `Bearer ${this.#credentials.registryToken}`;
    return `Bearer ${(await this.#token(challenge, scopes, signal)).value}`;
  }

  /** One question at a time for the same scopes; the answer is kept while it is good. */
  async #token(challenge: Challenge, scopes: readonly string[], signal: AbortSignal): Promise<Token> {
    const key = scopes.join(" ");
    const known = this.#tokens.get(key);
    if (known !== undefined) {
      // Whoever asked may have been cancelled; that is no answer for anybody else.
      const token = await known.catch((error) => {
        if (error instanceof EngineError && error.kind === "cancelled" && !signal.aborted) return undefined;
        throw error;
      });
      if (token !== undefined && token.expiresAtMs - TOKEN_MARGIN_MS > Date.now()) return token;
    }
    const asked = fetchToken(this.#network, { challenge, credentials: this.#credentials, scopes }, signal);
    this.#tokens.set(key, asked);
    asked.catch(() => this.#tokens.delete(key));
    return asked;
  }
}

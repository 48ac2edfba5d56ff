import { EngineError } from "../errors/index.ts";
import type { Challenge } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import type { RegistryNetwork } from "./network.ts";
import { sendPatiently } from "./retry.ts";
import { type RegistryRequest, readText, send } from "./transport.ts";

/** A bearer token, and until when it may be used (milliseconds since the epoch). */
export interface Token {
  readonly value: string;
  readonly expiresAtMs: number;
  /** Given when the token server was asked for one (login). */
  readonly refreshToken: string | undefined;
}

/** Without `expires_in` a token lives 60 seconds (distribution project, token specification). */
const DEFAULT_LIFETIME_S = 60;
const MAX_REPLY_BYTES = 1 << 20;

export const basicAuthorization = ({ username, password }: Credentials): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

export interface TokenQuestion {
  readonly challenge: Challenge;
  readonly credentials: Credentials | undefined;
  /** "repository:NAME:pull,push", …; none when only the login is to be checked. */
  readonly scopes: readonly string[];
  /** Ask for a refresh token too. */
  readonly offline?: boolean;
}

/**
 * Ask the token server that a challenge names (distribution project, "Token Authentication Specification" and its
 * OAuth2 form for refresh tokens). Throws unauthorized when it refuses or gives no token, unavailable when it cannot
 * be reached.
 */
export async function fetchToken(
  network: RegistryNetwork,
  question: TokenQuestion,
  signal: AbortSignal,
): Promise<Token> {
  const realm = realmOf(question.challenge);
  const request =
    question.credentials?.identityToken === undefined ? byGet(realm, question) : byRefresh(realm, question);
  guardSecrets(network, realm, question.credentials);
  const response = await sendPatiently(
    () => send(request, network.connector(realm), signal),
    network.retry,
    signal,
  );
  const text = await readText(response, MAX_REPLY_BYTES);
  if (response.status < 200 || response.status > 299) {
    throw new EngineError("unauthorized", refusal(realm, response.status, text));
  }
  return parseToken(realm, text);
}

function realmOf({ parameters }: Challenge): URL {
  const { realm = "" } = parameters;
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new EngineError("unauthorized", "the registry's challenge names no token server");
  }
  return url;
}

/** A registry names its token server itself; one that names a plain one must not get passwords onto the wire. */
function guardSecrets(network: RegistryNetwork, realm: URL, credentials: Credentials | undefined): void {
  if (credentials === undefined || realm.protocol === "https:" || network.isInsecure(realm.host)) return;
  throw new EngineError(
    "unauthorized",
    `the registry's token server ${realm.origin} does not use TLS: credentials are not sent there (list ${realm.host} as insecure to allow it)`,
  );
}

function byGet(realm: URL, { challenge, credentials, scopes, offline }: TokenQuestion): RegistryRequest {
  const url = new URL(realm);
  const { service } = challenge.parameters;
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (offline === true) {
    url.searchParams.set("offline_token", "true");
    url.searchParams.set("client_id", "gantry");
  }
  if (credentials === undefined) return { method: "GET", url };
  url.searchParams.set("account", credentials.username);
  return { method: "GET", url, headers: { authorization: basicAuthorization(credentials) } };
}

function byRefresh(realm: URL, { challenge, credentials, scopes }: TokenQuestion): RegistryRequest {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: credentials?.identityToken ?? "",
    client_id: "gantry",
    scope: scopes.join(" "),
    service: challenge.parameters.service ?? "",
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", url: realm, headers, body: form.toString() };
}

function refusal(realm: URL, status: number, text: string): string {
  const reason = /"(?:details|message|error_description)"\s*:\s*"([^"]{1,200})"/.exec(text)?.[1];
  if (status === 401 || status === 403) return `unauthorized: ${reason ?? "incorrect username or password"}`;
  return `the token server ${realm.host} answered ${status}${reason === undefined ? "" : `: ${reason}`}`;
}

function parseToken(realm: URL, text: string): Token {
  const none = () => new EngineError("unauthorized", `the token server ${realm.host} gave no token`);
  let reply: unknown;
  try {
    reply = JSON.parse(text);
  } catch {
    throw none();
  }
  if (typeof reply !== "object" || reply === null) throw none();
  const field = (name: string): unknown => Reflect.get(reply, name);
  const value = [field("token"), field("access_token")].find(
    (item) => typeof item === "string" && item !== "",
  );
  if (typeof value !== "string" || /[\r\n]/.test(value)) throw none();
  const lifetime = field("expires_in");
  const refresh = field("refresh_token");
  return {
    value,
    expiresAtMs:
      Date.now() + 1000 * (typeof lifetime === "number" && lifetime > 0 ? lifetime : DEFAULT_LIFETIME_S),
    refreshToken: typeof refresh === "string" && refresh !== "" ? refresh : undefined,
  };
}

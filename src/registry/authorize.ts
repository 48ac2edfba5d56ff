import { EngineError, unavailable } from "../errors/index.ts";
import type { Challenge } from "./challenge.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

const basic = ({ username, password }: Credentials) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

/**
 * Answer a registry's challenge with the value of an Authorization header: basic as it is, bearer by fetching a token
 * from the realm named (anonymous without credentials). Throws unauthorized when it cannot be answered.
 */
export async function authorize(
  challenge: Challenge,
  credentials: Credentials | undefined,
  scope: string,
  signal: AbortSignal,
): Promise<string> {
  if (challenge.scheme === "basic") {
    if (credentials === undefined) throw new EngineError("unauthorized", "no basic auth credentials");
    return basic(credentials);
  }
  if (challenge.scheme !== "bearer") {
    throw new EngineError(
      "unauthorized",
      `the registry asks for ${challenge.scheme} authentication, which is not known`,
    );
  }
  return `Bearer ${await fetchToken(challenge, credentials, scope, signal)}`;
}

async function fetchToken(
  { parameters }: Challenge,
  credentials: Credentials | undefined,
  scope: string,
  signal: AbortSignal,
): Promise<string> {
  const { realm, service } = parameters;
  const url = URL.canParse(realm ?? "") ? new URL(realm ?? "") : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new EngineError("unauthorized", "the registry's challenge names no token server");
  }
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.set("scope", scope);
  const headers: Record<string, string> =
    credentials === undefined ? {} : { authorization: basic(credentials) };
  const reply = await fetch(url, { headers, signal }).catch((cause) => {
    throw unavailable(`the token server ${url.host} cannot be reached`, { cause });
  });
  if (!reply.ok) {
    throw new EngineError(
      "unauthorized",
      `the token server ${url.host} refused: ${reply.status} ${reply.statusText}`,
    );
  }
  const body: unknown = await reply.json();
  if (typeof body === "object" && body !== null) {
    if ("token" in body && typeof body.token === "string") return body.token;
    if ("access_token" in body && typeof body.access_token === "string") return body.access_token;
  }
  throw new EngineError("unauthorized", `the token server ${url.host} gave no token`);
}

import { invalid } from "../errors/index.ts";

/** What a client knows to prove who it is: Docker's AuthConfig. All fields empty means anonymous. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** A refresh token that the token server gave at login (OAuth2, RFC 6749 section 6). */
  readonly identityToken?: string;
  /** A bearer token to be sent as it is. */
  readonly registryToken?: string;
  /** The registry that they belong to, as the client wrote it. */
  readonly serverAddress?: string;
}

/**
 * The X-Registry-Auth header: base64url of AuthConfig as JSON; absent, empty and "{}" mean anonymous.
 * Throws invalid for anything that is no such JSON.
 */
export function parseRegistryAuth(header: string | undefined): Credentials | undefined {
  if (header === undefined || header === "") return undefined;
  try {
    return credentialsOf(JSON.parse(Buffer.from(header, "base64url").toString("utf8")));
  } catch (cause) {
    throw invalid("invalid X-Registry-Auth header: invalid JSON", { cause });
  }
}

/** The same from the JSON of AuthConfig itself. Undefined when it holds nothing to log in with. */
export function credentialsOf(value: unknown): Credentials | undefined {
  if (typeof value !== "object" || value === null) throw invalid("invalid auth config: not an object");
  const text = (field: string): string => {
    const found: unknown = Reflect.get(value, field);
    return typeof found === "string" ? found : "";
  };
  const [username, password] = [text("username"), text("password")];
  const [identityToken, registryToken] = [text("identitytoken"), text("registrytoken")];
  const [userOfAuth = "", ...passwordOfAuth] = Buffer.from(text("auth"), "base64")
    .toString("utf8")
    .split(":");
  const credentials: Credentials = {
    username: username || userOfAuth,
    password: password || passwordOfAuth.join(":"),
    ...(identityToken === "" ? {} : { identityToken }),
    ...(registryToken === "" ? {} : { registryToken }),
    ...(text("serveraddress") === "" ? {} : { serverAddress: text("serveraddress") }),
  };
  const isEmpty = credentials.username === "" && identityToken === "" && registryToken === "";
  return isEmpty ? undefined : credentials;
}

/** Which account a client gave for a registry ("docker.io", "127.0.0.1:5000"); undefined when it gave none. */
export type Accounts = (registry: string) => Credentials | undefined;

/** Under these Docker's clients keep the account of Docker's own registry. */
const DOCKER_HOSTS: readonly string[] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/**
 * The X-Registry-Config header of a build: base64url of a JSON object from registries, as hosts or whole addresses, to
 * AuthConfig. Throws invalid for anything else.
 */
export function parseRegistryConfig(header: string | undefined): Accounts {
  const accounts = new Map<string, Credentials>();
  if (header !== undefined && header !== "") {
    let entries: [string, unknown][];
    try {
      const value: unknown = JSON.parse(Buffer.from(header, "base64url").toString("utf8"));
      if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("not an object");
      entries = Object.entries(value);
    } catch (cause) {
      throw invalid("invalid X-Registry-Config header: invalid JSON", { cause });
    }
    for (const [address, entry] of entries) {
      const account = credentialsOf(entry);
      if (account !== undefined) accounts.set(accountHost(address), account);
    }
  }
  return (registry) => accounts.get(accountHost(registry));
}

function accountHost(address: string): string {
  const host = address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return DOCKER_HOSTS.includes(host) ? "docker.io" : host;
}

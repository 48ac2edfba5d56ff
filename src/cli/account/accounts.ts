import type { AuthConfig } from "../../wire/index.ts";
import { type AuthEntry, type ConfigDocument, readConfig, writeConfig } from "./config-file.ts";
import {
  eraseCredentials,
  getCredentials,
  listCredentials,
  storeCredentials,
  TOKEN_USER,
} from "./credential-program.ts";

/** Under this name Docker keeps the account of its own registry. */
const DOCKER_KEY = "https://index.docker.io/v1/";

/** The name under which a registry's account is kept: of Docker's own a whole URL, of others the host. */
export function accountKey(registry: string): string {
  const host = hostOf(registry);
  return ["", "docker.io", "index.docker.io", "registry-1.docker.io"].includes(host) ? DOCKER_KEY : host;
}

const hostOf = (address: string): string => address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");

const programFor = (config: ConfigDocument, key: string): string | undefined =>
  config.credHelpers?.[key] ?? (config.credsStore === "" ? undefined : config.credsStore);

/** What is known about a registry: from its credential program, else from the file. Empty when nothing is. */
export async function findAccount(registry: string): Promise<AuthConfig> {
  const key = accountKey(registry);
  const config = readConfig();
  const program = programFor(config, key);
  if (program === undefined) return { ...decoded(entryOf(config, key)), serveraddress: key };
  const kept = await getCredentials(program, key);
  if (kept === undefined) return {};
  const secret =
    kept.Username === TOKEN_USER
      ? { identitytoken: kept.Secret }
      : { username: kept.Username, password: kept.Secret };
  return { ...secret, serveraddress: key };
}

function entryOf({ auths = {} }: ConfigDocument, key: string): AuthEntry {
  const host = hostOf(key);
  const other = Object.keys(auths).find((name) => hostOf(name) === host);
  return auths[key] ?? auths[other ?? ""] ?? {};
}

function decoded({ auth, ...entry }: AuthEntry): AuthConfig {
  if (auth === undefined || auth === "") return entry;
  const [username = "", ...password] = Buffer.from(auth, "base64").toString("utf8").split(":");
  return { ...entry, username, password: password.join(":").replace(/\0+$/, "") };
}

/** The account as the X-Registry-Auth header has it. */
export async function registryAuthHeader(registry: string): Promise<Record<string, string>> {
  const account = await findAccount(registry);
  return { "X-Registry-Auth": Buffer.from(JSON.stringify(account)).toString("base64url") };
}

/** All accounts that are known, as the X-Registry-Config header of a build has them. */
export async function registryConfigHeader(): Promise<Record<string, string>> {
  const config = readConfig();
  const kept =
    config.credsStore === undefined || config.credsStore === ""
      ? []
      : await listCredentials(config.credsStore);
  const names = new Set([
    ...Object.keys(config.auths ?? {}),
    ...Object.keys(config.credHelpers ?? {}),
    ...kept,
  ]);
  const accounts: Record<string, AuthConfig> = {};
  for (const name of names) accounts[accountKey(name)] = await findAccount(name);
  return { "X-Registry-Config": Buffer.from(JSON.stringify(accounts)).toString("base64url") };
}

/** Keep an account with the program that is configured, else in the file. True when a password lies open in the file. */
export async function keepAccount(registry: string, account: AuthConfig): Promise<boolean> {
  const key = accountKey(registry);
  const config = readConfig();
  const program = programFor(config, key);
  const { username = "", password = "", identitytoken = "" } = account;
  if (program !== undefined) {
    const secret =
      identitytoken === ""
        ? { Username: username, Secret: password }
        : { Username: TOKEN_USER, Secret: identitytoken };
    await storeCredentials(program, key, secret);
    writeConfig({ ...config, auths: { ...config.auths, [key]: {} } });
    return false;
  }
  const secret = identitytoken === "" ? password : "";
  const auth = Buffer.from(`${username}:${secret}`).toString("base64");
  const entry: AuthEntry = identitytoken === "" ? { auth } : { auth, identitytoken };
  writeConfig({ ...config, auths: { ...config.auths, [key]: entry } });
  return true;
}

/** Forget an account. False when there was none. */
export async function dropAccount(registry: string): Promise<boolean> {
  const key = accountKey(registry);
  const config = readConfig();
  const names = Object.keys(config.auths ?? {}).filter((name) => hostOf(name) === hostOf(key));
  const program = programFor(config, key);
  if (program !== undefined) await eraseCredentials(program, key);
  if (names.length === 0) return program !== undefined;
  const auths = Object.fromEntries(
    Object.entries(config.auths ?? {}).filter(([name]) => !names.includes(name)),
  );
  writeConfig({ ...config, auths });
  return true;
}

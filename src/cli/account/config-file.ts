import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { errnoOf, messageOf } from "../../errors/index.ts";
import { writeFileAtomic } from "../../platform/index.ts";

/** One registry's entry: `auth` is base64 of USER:PASSWORD. */
export interface AuthEntry {
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
  username?: string;
  password?: string;
}

/** Docker's own client configuration, of which the parts about registries are read and written; the rest is kept. */
export interface ConfigDocument {
  auths?: Record<string, AuthEntry>;
  /** Program that keeps all credentials: docker-credential-NAME. */
  credsStore?: string;
  /** The same for single registries. */
  credHelpers?: Record<string, string>;
  [field: string]: unknown;
}

/** $DOCKER_CONFIG/config.json, else ~/.docker/config.json. */
export const configPath = (): string =>
  join(process.env.DOCKER_CONFIG || join(homedir(), ".docker"), "config.json");

/** Throws an Error that names the file when it is no JSON. */
export function readConfig(): ConfigDocument {
  const file = configPath();
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
    throw new Error("not an object");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return {};
    throw new Error(`WARNING: Error loading config file: ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** It holds passwords: nobody else may read it. */
export function writeConfig(document: ConfigDocument): void {
  const file = configPath();
  if (!existsSync(dirname(file))) mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileAtomic(file, `${JSON.stringify(document, null, "\t")}\n`, 0o600);
}

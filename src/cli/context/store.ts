import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf } from "../../errors/index.ts";
import { configPath, readConfig, writeConfig } from "../account/config-file.ts";

/** A context of Docker's client: a name for a daemon, and how to reach it. */
export interface DockerContext {
  readonly name: string;
  readonly description: string;
  /** Such as "unix:///run/docker.sock" or "tcp://box:2376". */
  readonly host: string;
  readonly skipsVerification: boolean;
  /** Folder of ca.pem, cert.pem and key.pem; undefined when the context has none. */
  readonly certificates: string | undefined;
}

/** What is meant without a context: DOCKER_HOST, or this machine's own daemon. */
export const DEFAULT_CONTEXT = "default";

/** CONFIG/contexts/{meta,tls}/ID, where the id is the digest of the name (docker/cli, cli/context/store). */
const folder = (kind: "meta" | "tls") => join(dirname(configPath()), "contexts", kind);
const idOf = (name: string): string => createHash("sha256").update(name).digest("hex");

/** Throws an Error when there is none of this name, or its file says nothing of a daemon. */
export function readContext(name: string): DockerContext {
  const file = join(folder("meta"), idOf(name), "meta.json");
  if (!existsSync(file))
    throw new Error(
      `context ${JSON.stringify(name)}: context not found: open ${file}: no such file or directory`,
    );
  return parseContext(file);
}

/** By name; files that cannot be read are left out. */
export function listContexts(): DockerContext[] {
  const place = folder("meta");
  if (!existsSync(place)) return [];
  const contexts = readdirSync(place).flatMap((id) => {
    try {
      return [parseContext(join(place, id, "meta.json"))];
    } catch {
      // One that is broken hides no other; whoever names it is told.
      return [];
    }
  });
  return contexts.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function parseContext(file: string): DockerContext {
  let meta: unknown;
  try {
    meta = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new Error(`${file}: ${messageOf(cause)}`, { cause });
  }
  const { Name: name, Metadata: metadata, Endpoints: endpoints } = fieldsOf(meta);
  const { docker } = fieldsOf(endpoints);
  const { Host: host, SkipTLSVerify: skipsVerification } = fieldsOf(docker);
  const { Description: description } = fieldsOf(metadata);
  if (typeof name !== "string" || typeof host !== "string" || host === "")
    throw new Error(`${file}: a context needs a name and a docker endpoint with a host`);
  const certificates = join(folder("tls"), idOf(name), "docker");
  return {
    name,
    description: typeof description === "string" ? description : "",
    host,
    skipsVerification: skipsVerification === true,
    certificates: existsSync(certificates) ? certificates : undefined,
  };
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {};

/** The name that commands without one go by: DOCKER_HOST stands against all contexts but those that are named. */
export function currentContext(): string {
  if (process.env.GANTRY_HOST || process.env.DOCKER_HOST) return DEFAULT_CONTEXT;
  const { currentContext: configured } = readConfig();
  return process.env.DOCKER_CONTEXT || (typeof configured === "string" && configured) || DEFAULT_CONTEXT;
}

/** Throws an Error when there is no such context. */
export function useContext(name: string): void {
  if (name !== DEFAULT_CONTEXT) readContext(name);
  const { currentContext: _, ...rest } = readConfig();
  writeConfig(name === DEFAULT_CONTEXT ? rest : { ...rest, currentContext: name });
}

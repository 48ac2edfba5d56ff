import { readFileSync } from "node:fs";
import { BlockList, isIP } from "node:net";
import { errnoOf, invalid, messageOf } from "../errors/index.ts";

/** Where else a repository may be read from. */
export interface MirrorRule {
  /** "docker.io", "docker.io/library", "registry.example:5000/team": whole parts of a name. */
  readonly prefix: string;
  /**
   * Asked in their order before the registry itself. The prefix of the name is replaced by the mirror's: with the
   * prefix "docker.io/team", "mirror:5000/cache" answers for docker.io/team/app as mirror:5000/cache/app. A scheme in
   * front ("http://") is taken as it is.
   */
  readonly mirrors: readonly string[];
}

/** What an administrator says about registries. */
export interface RegistryRules {
  readonly mirrors: readonly MirrorRule[];
  /** HOST, HOST:PORT or a network such as 10.0.0.0/8: TLS unverified, and plain HTTP when TLS is not spoken. */
  readonly insecure: readonly string[];
}

/**
 * Read registries.json: {"mirrors": {PREFIX: [MIRROR, …]}, "insecure": [HOST, …]}. A missing file means no rules.
 * Throws invalid naming file and field.
 */
export function readRegistryRules(file: string): RegistryRules {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return { mirrors: [], insecure: [] };
    throw invalid(`${file}: ${messageOf(cause)}`, { cause });
  }
  const object = record(value, file);
  for (const key of Object.keys(object)) {
    if (key !== "mirrors" && key !== "insecure") throw invalid(`${file}: unknown field "${key}"`);
  }
  const mirrors = Object.entries(record(object.mirrors ?? {}, `${file}: mirrors`)).map(([prefix, list]) => ({
    prefix,
    mirrors: texts(list, `${file}: mirrors of ${prefix}`).map((mirror) => {
      parseMirror(mirror);
      return mirror;
    }),
  }));
  return { mirrors, insecure: texts(object.insecure ?? [], `${file}: insecure`) };
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`${what} must be an object`);
  return { ...value };
}

function texts(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string"))
    throw invalid(`${what} must be a list of strings`);
  return value;
}

/** A place that may be asked for a repository. */
export interface Endpoint {
  /** Host with optional port. */
  readonly host: string;
  /** Path of the repository there. */
  readonly path: string;
  /** Undefined: TLS, or what an insecure host speaks. */
  readonly scheme: "http" | "https" | undefined;
}

/** Throws invalid for what is no "[SCHEME://]HOST[:PORT][/PATH]". */
export function parseMirror(text: string): Endpoint {
  const [, scheme, host, path = ""] =
    /^(?:(https?):\/\/)?([A-Za-z0-9._-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)(?:\/([a-z0-9._/-]*))?$/.exec(
      text,
    ) ?? [];
  if (host === undefined)
    throw invalid(`invalid mirror "${text}": want [http://|https://]HOST[:PORT][/PATH]`);
  return {
    host,
    path: path.replace(/\/+$/, ""),
    scheme: scheme === "http" || scheme === "https" ? scheme : undefined,
  };
}

/** "PREFIX=MIRROR", or a mirror alone for Docker's own registry. Throws invalid. */
export function parseMirrorRule(text: string): MirrorRule {
  const [, prefix = "docker.io", mirror = ""] = /^(?:([^=]+)=)?(.*)$/.exec(text) ?? [];
  parseMirror(mirror);
  return { prefix, mirrors: [mirror] };
}

/** The mirrors of a repository, those of the longest prefix that fits. */
export function mirrorsOf(rules: RegistryRules, registry: string, path: string): Endpoint[] {
  const name = `${registry}/${path}`;
  const [rule] = rules.mirrors
    .filter(({ prefix }) => name === prefix || name.startsWith(`${prefix}/`))
    .toSorted((a, b) => b.prefix.length - a.prefix.length);
  if (rule === undefined) return [];
  const rest = name.slice(rule.prefix.length + 1);
  return rule.mirrors.map(parseMirror).map((mirror) => ({
    ...mirror,
    path: [mirror.path, rest].filter((part) => part !== "").join("/"),
  }));
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

const hostnameOf = (host: string): string => host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");

export function isLoopback(host: string): boolean {
  const name = hostnameOf(host);
  return name === "localhost" || contains(LOOPBACK, name);
}

/** Loopback always is, as with Docker; others when a rule says so. */
export function isInsecure(rules: RegistryRules, host: string): boolean {
  if (isLoopback(host)) return true;
  return rules.insecure.some((rule) => {
    const [, network, bits] = /^(.+)\/(\d{1,3})$/.exec(rule) ?? [];
    if (network === undefined) return rule === host || rule === hostnameOf(host);
    if (isIP(network) === 0) return false;
    const list = new BlockList();
    list.addSubnet(network, Number(bits), isIP(network) === 6 ? "ipv6" : "ipv4");
    return contains(list, hostnameOf(host));
  });
}

function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
}

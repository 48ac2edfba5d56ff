import type { IncomingMessage } from "node:http";
import type { BuildRequest, ContextSource, OfferedSecrets, PruneOptions } from "../../build/index.ts";
import { invalid, unsupported } from "../../errors/index.ts";
import { parseRegistryConfig } from "../../registry/index.ts";
import { parseGoDuration } from "../../units/index.ts";
import type { HostConfig } from "../../wire/index.ts";
import { parseAttestations } from "./attestations.ts";
import { parseCacheSource, parseCacheTarget } from "./build-cache.ts";
import { type JsonObject, object } from "./fields.ts";
import type { Query } from "./query.ts";

/** Query and body of POST /build (API 1.51, ImageBuild), with what this engine's own client asks for besides. */
export function parseBuild(query: Query, request: IncomingMessage): BuildRequest {
  if (query.boolean("squash"))
    throw unsupported(
      "squash is only supported with experimental mode: build in stages, and copy what is wanted into the last one",
    );
  const isolation = query.string("isolation");
  if (isolation !== "" && isolation !== "default") throw invalid(`unsupported isolation: ${isolation}`);
  const outputs = query.string("outputs");
  if (outputs !== "" && outputs !== "[]" && outputs !== "null")
    throw unsupported("outputs are taken by the client: this endpoint makes images");
  return {
    id: query.string("buildid"),
    source: sourceOf(query, request),
    dockerfile: query.string("dockerfile"),
    tags: query.all("t").filter((tag) => tag !== ""),
    target: query.string("target"),
    buildArgs: new Map(
      Object.entries(json(query, "buildargs")).map(([key, value]) => [
        key,
        value === null ? undefined : text(value, key),
      ]),
    ),
    labels: Object.fromEntries(
      Object.entries(json(query, "labels")).map(([key, value]) => [key, text(value, key)]),
    ),
    noCache: query.boolean("nocache"),
    noCacheFilter: query
      .all("nocachefilter")
      .flatMap((names) => names.split(","))
      .filter(Boolean),
    pull: query.boolean("pull"),
    platform: query.string("platform"),
    networkMode: query.string("networkmode"),
    extraHosts: query.all("extrahosts"),
    limits: limitsOf(query),
    allow: new Set(query.all("allow")),
    namedContexts: new Map(
      Object.entries(json(query, "contexts")).map(([key, value]) => [key, text(value, key)]),
    ),
    cacheFrom: listOf(query, "cachefrom").map(parseCacheSource),
    cacheTo: listOf(query, "cacheto").map(parseCacheTarget),
    attestations: parseAttestations(json(query, "attests")),
    accounts: parseRegistryConfig(request.headers["x-registry-config"]?.toString()),
    session: query.string("session"),
    onError: onErrorOf(query),
  };
}

function onErrorOf(query: Query): BuildRequest["onError"] {
  const onError = query.string("onerror");
  if (onError !== "" && onError !== "shell") throw invalid(`invalid onerror ${onError}: want shell`);
  if (onError === "shell" && query.string("progress") !== "events")
    throw invalid("onerror=shell needs progress=events: nobody would be told of the shell");
  return onError === "shell" ? "shell" : "end";
}

function sourceOf(query: Query, request: IncomingMessage): ContextSource {
  const remote = query.string("remote");
  if (remote === "client-session")
    throw unsupported("a context from a session is not served: send it as the request's body");
  if (query.string("context") === "sent")
    return { kind: "sent", session: query.string("session"), stream: request };
  return remote === "" ? { kind: "archive", stream: request } : { kind: "remote", url: remote };
}

function limitsOf(query: Query): Partial<HostConfig> {
  const number = (name: string) => query.integer(name) ?? 0;
  const ulimits = listOf(query, "ulimits").map((item) => {
    const { Name, Soft, Hard } = object(item, "ulimits");
    return { Name: text(Name, "ulimits"), Soft: Number(Soft), Hard: Number(Hard) };
  });
  const security = query.all("securityopt");
  return {
    CpuShares: number("cpushares"),
    CpuQuota: number("cpuquota"),
    CpuPeriod: number("cpuperiod"),
    CpusetCpus: query.string("cpusetcpus"),
    CpusetMems: query.string("cpusetmems"),
    Memory: number("memory"),
    MemorySwap: number("memswap"),
    CgroupParent: query.string("cgroupparent"),
    ShmSize: number("shmsize"),
    Ulimits: ulimits,
    SecurityOpt: security.length === 0 ? null : security,
  };
}

/** A parameter that holds a JSON object; {} when absent. */
function json(query: Query, name: string): JsonObject {
  const value = parsed(query, name);
  return value === undefined || value === null ? {} : object(value, name);
}

function listOf(query: Query, name: string): unknown[] {
  const value = parsed(query, name);
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`error reading ${name}: not a list`);
  return value;
}

function parsed(query: Query, name: string): unknown {
  const source = query.string(name);
  if (source === "") return undefined;
  try {
    return JSON.parse(source);
  } catch (cause) {
    throw invalid(`error reading ${name}: not JSON`, { cause });
  }
}

function text(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} must be a string`);
  return value;
}

/** POST /build/prune: `filters` until, unused-for and id; sizes by any of their names over time. */
export function parsePrune(query: Query): PruneOptions {
  const filters = query.filters([
    "until",
    "unused-for",
    "id",
    "parent",
    "type",
    "description",
    "inuse",
    "shared",
    "private",
  ]);
  for (const key of ["parent", "type", "description", "inuse", "shared", "private"])
    if (filters.has(key)) throw unsupported(`the filter ${key} is not supported: use until and id`);
  const [until] = [...(filters.get("until") ?? []), ...(filters.get("unused-for") ?? [])];
  const keep = ["keep-storage", "reserved-space", "max-used-space"]
    .map((name) => query.integer(name))
    .find((size) => size !== undefined && size > 0);
  return {
    all: query.boolean("all"),
    unusedForMs: until === undefined ? 0 : Number(durationOf(until)) / 1e6,
    keepBytes: keep,
    ids: [...(filters.get("id") ?? [])],
    dryRun: query.boolean("dryrun"),
  };
}

function durationOf(words: string): bigint {
  const duration = parseGoDuration(words);
  if (duration === undefined) throw invalid(`invalid duration ${JSON.stringify(words)}`);
  return duration;
}

/** The body with which a client leaves secrets for its build: values in base64 and agents' sockets by id. */
export function parseSecrets(body: JsonObject): OfferedSecrets {
  const secrets = Object.entries(object(body.secrets ?? {}, "secrets"));
  const agents = Object.entries(object(body.agents ?? {}, "agents"));
  return {
    values: new Map(secrets.map(([id, value]) => [id, Buffer.from(text(value, id), "base64")])),
    agents: new Map(agents.map(([id, path]) => [id, text(path, id)])),
  };
}

import { EngineError, invalid } from "../errors/index.ts";
import { DEFAULT_REGISTRY, parseReference, withDefaultTag } from "../reference/index.ts";
import {
  type Credentials,
  checkLogin,
  openRepository,
  type Platform,
  parseManifest,
  type Repository,
  searchRegistry,
} from "../registry/index.ts";
import type { AuthReply, DistributionInspect, Filters, SearchResult } from "../wire/index.ts";
import type { ImageContext } from "./context.ts";
import { parseImageDocument } from "./image-config.ts";

/** The addresses by which Docker's clients know its own registry. */
const DOCKER_ADDRESSES = ["", "docker.io", "index.docker.io", "registry-1.docker.io"];
const MAX_SEARCH = 100;
const DEFAULT_SEARCH = 25;

/** `docker login`: ask the registry whether it takes the credentials. Throws unauthorized, unavailable. */
export async function login(
  context: ImageContext,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<AuthReply> {
  const host = (credentials.serverAddress ?? "").replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  const registry = DOCKER_ADDRESSES.includes(host) ? DEFAULT_REGISTRY : host;
  const { identityToken } = await checkLogin(context.registries, registry, credentials, signal);
  return { Status: "Login Succeeded", IdentityToken: identityToken ?? "" };
}

/** `docker search [HOST/]TERM`. Throws invalid for a bad limit or filter, unsupported where the registry cannot search. */
export async function search(
  context: ImageContext,
  question: {
    term: string;
    limit: number | undefined;
    filters: Filters;
    credentials: Credentials | undefined;
  },
  signal: AbortSignal,
): Promise<SearchResult[]> {
  const { term, limit = DEFAULT_SEARCH, filters, credentials } = question;
  if (term === "") throw invalid("no search term was given");
  if (limit < 0 || limit > MAX_SEARCH)
    throw invalid(`Limit ${limit} is outside the range of [1, ${MAX_SEARCH}]`);
  const slash = term.indexOf("/");
  const first = slash < 0 ? "" : term.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === "localhost";
  const registry = isHost && !DOCKER_ADDRESSES.includes(first) ? first : DEFAULT_REGISTRY;
  const keep = hitFilter(filters);
  const hits = await searchRegistry(
    context.registries,
    {
      registry,
      term: isHost ? term.slice(slash + 1) : term,
      limit: limit === 0 ? DEFAULT_SEARCH : limit,
      credentials,
    },
    signal,
  );
  return hits
    .map((hit) => ({
      star_count: hit.starCount,
      is_official: hit.isOfficial,
      name: hit.name,
      is_automated: hit.isAutomated,
      description: hit.description,
    }))
    .filter(keep);
}

function hitFilter(filters: Filters): (hit: SearchResult) => boolean {
  const flag = (name: string): boolean | undefined => {
    const [value] = filters.get(name) ?? [];
    if (value === undefined) return undefined;
    if (/^(true|1|t)$/i.test(value)) return true;
    if (/^(false|0|f)$/i.test(value)) return false;
    throw invalid(`invalid filter '${name}=[${value}]'`);
  };
  const official = flag("is-official");
  const automated = flag("is-automated");
  const stars = [...(filters.get("stars") ?? [])].map((value) => {
    if (!/^\d+$/.test(value)) throw invalid(`invalid filter 'stars=[${value}]'`);
    return Number(value);
  });
  return (hit) =>
    (official === undefined || hit.is_official === official) &&
    (automated === undefined || hit.is_automated === automated) &&
    stars.every((least) => hit.star_count >= least);
}

/** What a registry has under a name, without pulling it: its descriptor and the platforms that it serves. */
export async function inspectDistribution(
  context: ImageContext,
  text: string,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<DistributionInspect> {
  const reference = withDefaultTag(parseReference(text));
  const { registry, path } = reference;
  const repository = openRepository(context.registries, {
    registry,
    path,
    ...(credentials === undefined ? {} : { credentials }),
  });
  const top = await repository.manifest(reference.digest ?? reference.tag ?? "latest", signal);
  return {
    Descriptor: { mediaType: top.mediaType, digest: top.digest, size: top.bytes.length },
    Platforms: await platformsOf(repository, top, signal),
  };
}

async function platformsOf(
  repository: Repository,
  top: { bytes: Uint8Array; mediaType: string },
  signal: AbortSignal,
): Promise<Platform[]> {
  const parsed = parseManifest(top.bytes, top.mediaType);
  if (parsed.kind === "index") {
    return parsed.manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platform]));
  }
  const chunks: Uint8Array[] = [];
  if (parsed.config.size > MAX_CONFIG_BYTES)
    throw new EngineError("invalid", "the image config is too large");
  for await (const chunk of repository.blob(parsed.config, signal)) chunks.push(chunk);
  const { os, architecture, variant } = parseImageDocument(Buffer.concat(chunks));
  return [{ os, architecture, ...(variant === undefined ? {} : { variant }) }];
}

const MAX_CONFIG_BYTES = 8 << 20;

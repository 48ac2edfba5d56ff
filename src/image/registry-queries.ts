import { invalid } from "../errors/index.ts";
import {
  DEFAULT_REGISTRY,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../reference/index.ts";
import {
  type Credentials,
  checkLogin,
  openRepository,
  type Platform,
  parseManifest,
  parsePlatform,
  type RemoteManifest,
  type Repository,
  searchRegistry,
} from "../registry/index.ts";
import type { AuthReply, DistributionInspect, Filters, ImageConfig, SearchResult } from "../wire/index.ts";
import type { ImageContext } from "./context.ts";
import { parseImageDocument } from "./image-config.ts";
import { checkPlatform } from "./pull/fetch-image.ts";
import { chooseImage, readConfig } from "./pull/remote-image.ts";
import type { PullOptions } from "./service.ts";

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
  const { repository, top } = await manifestOf(context, reference, credentials, signal);
  return {
    Descriptor: { mediaType: top.mediaType, digest: top.digest, size: top.bytes.length },
    Platforms: await platformsOf(context, repository, top, signal),
  };
}

/** The settings that an image in a registry has for containers, without pulling it. Throws not-found, unauthorized, unavailable. */
export async function remoteConfig(
  context: ImageContext,
  text: string,
  { platform, credentials }: Pick<PullOptions, "platform" | "credentials">,
  signal: AbortSignal,
): Promise<ImageConfig> {
  const reference = withDefaultTag(parseReference(text));
  const { repository, top } = await manifestOf(context, reference, credentials, signal);
  const parsed = parseManifest(top.bytes, top.mediaType);
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  const image = await chooseImage(
    repository,
    { name: familiarString(reference), top, parsed, platform: wanted },
    signal,
  );
  const document = parseImageDocument(await readConfig(context, repository, image.manifest.config, signal));
  checkPlatform(image.name, image.platform, document);
  return document.config;
}

async function manifestOf(
  context: ImageContext,
  { registry, path, digest, tag }: Reference,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<{ repository: Repository; top: RemoteManifest }> {
  const repository = openRepository(context.registries, {
    registry,
    path,
    ...(credentials === undefined ? {} : { credentials }),
  });
  return { repository, top: await repository.manifest(digest ?? tag ?? "latest", signal) };
}

async function platformsOf(
  context: ImageContext,
  repository: Repository,
  top: RemoteManifest,
  signal: AbortSignal,
): Promise<Platform[]> {
  const parsed = parseManifest(top.bytes, top.mediaType);
  if (parsed.kind === "index") {
    return parsed.manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platform]));
  }
  const config = await readConfig(context, repository, parsed.config, signal);
  const { os, architecture, variant } = parseImageDocument(config);
  return [{ os, architecture, ...(variant === undefined ? {} : { variant }) }];
}

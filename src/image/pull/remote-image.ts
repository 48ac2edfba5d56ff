import { digestOf, parseDigest } from "../../content/index.ts";
import { EngineError, invalid } from "../../errors/index.ts";
import {
  type Descriptor,
  hostPlatform,
  type ImageManifest,
  type Platform,
  parseManifest,
  type RemoteManifest,
  type Repository,
  selectPlatform,
} from "../../registry/index.ts";
import type { ImageContext } from "../context.ts";

const MAX_CONFIG_BYTES = 8 << 20;

/** An image in a registry, its manifest read. */
export interface RemoteImage {
  /** As people write it, for messages. */
  readonly name: string;
  readonly repository: Repository;
  readonly manifest: ImageManifest;
  readonly source: RemoteManifest;
  /** What was asked for; undefined when anything goes. */
  readonly platform: Platform | undefined;
}

/**
 * The image that the manifest `top` of a repository stands for: of an index the one for that platform, or for this machine.
 * `name` is for messages. Throws not-found when the index has none, unsupported for an index within it.
 */
export async function chooseImage(
  repository: Repository,
  {
    name,
    top,
    parsed,
    platform,
  }: {
    name: string;
    top: RemoteManifest;
    parsed: ReturnType<typeof parseManifest>;
    platform: Platform | undefined;
  },
  signal: AbortSignal,
): Promise<RemoteImage> {
  if (parsed.kind === "manifest") return { name, repository, manifest: parsed, source: top, platform };
  const entry = selectPlatform(parsed, platform ?? hostPlatform());
  const source = await repository.manifest(entry.digest, signal);
  const manifest = parseManifest(source.bytes, source.mediaType);
  if (manifest.kind === "index")
    throw new EngineError("unsupported", `${entry.digest}: indexes within indexes cannot be pulled`);
  return { name, repository, manifest, source, platform: undefined };
}

/** An image's config, from the store or the registry. Throws invalid for one that is not what its digest says. */
export async function readConfig(
  context: ImageContext,
  repository: Repository,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<Buffer> {
  return readSmallBlob(
    context,
    repository,
    descriptor,
    { what: "image config", limit: MAX_CONFIG_BYTES },
    signal,
  );
}

/** A blob as a whole, from the store or the registry. Throws invalid for a larger one, or one that is not what its digest says. */
export async function readSmallBlob(
  context: ImageContext,
  repository: Repository,
  descriptor: Descriptor,
  { what, limit }: { readonly what: string; readonly limit: number },
  signal: AbortSignal,
): Promise<Buffer> {
  if (descriptor.size > limit) throw invalid(`the ${what} has over ${limit} bytes`);
  const digest = parseDigest(descriptor.digest);
  if ((await context.content.find(digest)) !== undefined) return context.content.read(digest, limit);
  const chunks: Uint8Array[] = [];
  for await (const chunk of repository.blob(descriptor, signal)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (digestOf(bytes) !== descriptor.digest)
    throw invalid(`${what} verification failed for digest ${descriptor.digest}`);
  return bytes;
}

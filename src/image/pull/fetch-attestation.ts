import { parseDigest } from "../../content/index.ts";
import { EngineError, invalid } from "../../errors/index.ts";
import {
  type ImageIndex,
  parseArtifact,
  type RemoteManifest,
  type Repository,
} from "../../registry/index.ts";
import type { Attestation } from "../attestation.ts";
import type { ImageContext } from "../context.ts";
import type { Lease } from "../leases.ts";
import { readSmallBlob } from "./remote-image.ts";

/** Lists of packages are the largest of what is said of images. */
const MAX_STATEMENT_BYTES = 32 << 20;
const MAX_STATEMENTS = 64;

/**
 * Bring in what an index says of one of its images, so that it goes along when the image is pushed or saved. undefined
 * when it says nothing, or when the registry does not have what was said. `lease` holds the blobs. Throws invalid for
 * statements that are not what their digests say, or absurdly large.
 */
export async function fetchAttestation(
  context: ImageContext,
  repository: Repository,
  index: ImageIndex,
  manifestDigest: string,
  lease: Lease,
  signal: AbortSignal,
): Promise<Attestation | undefined> {
  const entry = index.manifests.find(({ attests }) => attests === manifestDigest);
  if (entry === undefined) return undefined;
  try {
    const source = await repository.manifest(entry.digest, signal);
    return await keep(context, repository, source, lease, signal);
  } catch (error) {
    if (error instanceof EngineError && error.kind === "not-found") return undefined;
    throw error;
  }
}

async function keep(
  context: ImageContext,
  repository: Repository,
  source: RemoteManifest,
  lease: Lease,
  signal: AbortSignal,
): Promise<Attestation> {
  const parts = parseArtifact(source.bytes);
  if (parts.length > MAX_STATEMENTS)
    throw invalid(`the image has over ${MAX_STATEMENTS} attestations in one manifest`);
  for (const part of parts) {
    lease.add(part.digest);
    const limits = { what: "attestation", limit: MAX_STATEMENT_BYTES };
    await context.content.put(await readSmallBlob(context, repository, part, limits, signal));
  }
  lease.add(source.digest);
  await context.content.put(source.bytes);
  return {
    manifest: parseDigest(source.digest),
    manifestBytes: source.bytes.length,
    blobs: [...new Set(parts.map(({ digest }) => parseDigest(digest)))],
  };
}

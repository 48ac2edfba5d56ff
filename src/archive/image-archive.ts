import type { Readable } from "node:stream";
import type { ContentStore } from "../content/index.ts";
import { EngineError, invalid, unsupported } from "../errors/index.ts";
import { formatPlatform, hostPlatform, type Platform, platformRank } from "../registry/index.ts";
import type { EarlyPlace } from "./early.ts";
import {
  type Descriptor,
  type DockerArchiveEntry,
  MEDIA,
  parseDockerArchive,
  parseImageManifest,
  parseIndex,
} from "./manifest.ts";
import { ArchiveMembers, type Member, readDocument } from "./members.ts";

/** One image of an archive: its documents in memory, its layers as uncommitted ingests (base first). */
export interface ArchivedImage {
  readonly config: { readonly bytes: Buffer; readonly member: Member };
  readonly layers: readonly Member[];
  /** Names as the archive spells them; empty for an image known by its id only. */
  readonly names: readonly string[];
  /** The manifest it came with; a docker-archive has none of its own. */
  readonly manifest: Member | undefined;
  /** What the archive's index says of the image, about this manifest. */
  readonly attestation: ArchivedAttestation | undefined;
}

/** An artifact that has an image as its subject (BuildKit's attestation-storage.md). */
export interface ArchivedAttestation {
  readonly manifest: Member;
  /** Config and statements. */
  readonly blobs: readonly Member[];
}

export interface ImageArchive extends AsyncDisposable {
  readonly images: readonly ArchivedImage[];
}

const MAX_DOCUMENT = 8 << 20;
/** Indexes may point to indexes (OCI image-spec, image-index.md); nobody nests deeper. */
const MAX_NESTING = 4;

/**
 * Read a docker-archive (`docker save` of any age since 1.10) or an archive of an OCI layout, plain or compressed.
 * Every blob is verified against its name; plain layers are unpacked as they come where `early` says. Dispose it in any
 * case: what was not committed is then removed.
 * Throws invalid for a corrupt, cut or hostile archive, unsupported for kinds that cannot be loaded.
 */
export async function readImageArchive(
  archive: Readable,
  content: ContentStore,
  signal: AbortSignal,
  { platform = hostPlatform(), early }: { platform?: Platform; early?: EarlyPlace } = {},
): Promise<ImageArchive> {
  const members = await ArchiveMembers.read(archive, content, signal, early);
  try {
    return {
      images: await imagesOf(members, platform),
      [Symbol.asyncDispose]: () => members[Symbol.asyncDispose](),
    };
  } catch (error) {
    await members[Symbol.asyncDispose]();
    throw error;
  }
}

async function imagesOf(members: ArchiveMembers, platform: Platform): Promise<ArchivedImage[]> {
  const docker = members.find("manifest.json");
  if (docker !== undefined) {
    const entries = parseDockerArchive(await readDocument(docker, MAX_DOCUMENT, "manifest.json"));
    const attested = await attestedIn(members, platform);
    return Promise.all(entries.map((entry) => fromDockerEntry(members, entry, attested)));
  }
  const index = members.find("index.json");
  if (index !== undefined) return fromIndex(members, index, platform);
  if (members.find("repositories") !== undefined) {
    throw unsupported("this archive was written by a Docker older than 1.10, which cannot be loaded");
  }
  throw invalid("invalid archive: it has neither manifest.json nor index.json");
}

/**
 * The images of the OCI layout that a docker-archive is as well, of which something is said, by the digests of their
 * configs. The layout says nothing when it does not hold together: manifest.json is what counts.
 */
async function attestedIn(members: ArchiveMembers, platform: Platform): Promise<Map<string, ArchivedImage>> {
  const attested = new Map<string, ArchivedImage>();
  const index = members.find("index.json");
  if (index === undefined) return attested;
  try {
    for (const image of await fromIndex(members, index, platform))
      if (image.attestation !== undefined) attested.set(image.config.member.digest, image);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
  return attested;
}

async function fromDockerEntry(
  members: ArchiveMembers,
  entry: DockerArchiveEntry,
  attested: ReadonlyMap<string, ArchivedImage>,
): Promise<ArchivedImage> {
  const member = members.get(entry.config);
  const claimed = /^([0-9a-f]{64})\.json$/.exec(entry.config)?.[1];
  if (claimed !== undefined && member.digest !== `sha256:${claimed}`) {
    throw invalid(`invalid archive: ${entry.config} has the digest ${member.digest}`);
  }
  const layers = entry.layers.map((path) => members.get(path));
  const known = attested.get(member.digest);
  // What is said is said of one manifest: the image has to be made of the same blobs to be that one.
  const isSame = known?.layers.every(({ digest }, at) => digest === layers[at]?.digest) ?? false;
  if (known !== undefined && isSame && known.layers.length === layers.length)
    return { ...known, names: entry.repoTags };
  return {
    config: { bytes: await readDocument(member, MAX_DOCUMENT, "image config"), member },
    layers,
    names: entry.repoTags,
    manifest: undefined,
    attestation: undefined,
  };
}

async function fromIndex(
  members: ArchiveMembers,
  index: Member,
  platform: Platform,
): Promise<ArchivedImage[]> {
  const images = new Map<string, ArchivedImage>();
  for (const top of ours(parseIndex(await readDocument(index, MAX_DOCUMENT, "index.json")), platform)) {
    const { manifest, attestation } = await manifestOf(members, top, platform, 0);
    const name = nameOf(top);
    const names = name === undefined ? [] : [name];
    const known = images.get(manifest.digest);
    images.set(
      manifest.digest,
      known === undefined
        ? { ...(await fromManifest(members, manifest, names)), attestation }
        : { ...known, names: [...known.names, ...names] },
    );
  }
  if (images.size === 0) throw notHere(platform);
  return [...images.values()];
}

const notHere = (platform: Platform) =>
  invalid(`invalid archive: it has no image for ${formatPlatform(platform)}`);

/** Without platforms everything is meant; with them, what the wanted one runs (and never attestations, which are "unknown"). */
function ours(descriptors: readonly Descriptor[], wanted: Platform): Descriptor[] {
  return descriptors.filter(
    ({ platform }) => platform === undefined || platformRank(platform, wanted) !== undefined,
  );
}

async function manifestOf(
  members: ArchiveMembers,
  descriptor: Descriptor,
  platform: Platform,
  depth: number,
  siblings: readonly Descriptor[] = [],
): Promise<Pick<ArchivedImage, "attestation"> & { manifest: Member }> {
  const member = members.blob(descriptor.digest);
  if (member.sizeBytes !== descriptor.sizeBytes) {
    throw invalid(
      `invalid archive: ${descriptor.digest} has ${member.sizeBytes} bytes, not ${descriptor.sizeBytes}`,
    );
  }
  if (descriptor.mediaType !== MEDIA.index && descriptor.mediaType !== MEDIA.dockerList)
    return { manifest: member, attestation: await attestationOf(members, member, siblings) };
  if (depth === MAX_NESTING) throw invalid("invalid archive: image indexes nested too deep");
  const all = parseIndex(await readDocument(member, MAX_DOCUMENT, "image index"));
  const [first] = ours(all, platform);
  if (first === undefined) throw notHere(platform);
  return manifestOf(members, first, platform, depth + 1, all);
}

/** Lists of packages are the largest of what is said of images. */
const MAX_STATEMENT = 32 << 20;
const MAX_STATEMENTS = 64;

/** What the same index says of a manifest; undefined when it says nothing, or when the archive does not have all of it. */
async function attestationOf(
  members: ArchiveMembers,
  { digest }: Member,
  siblings: readonly Descriptor[],
): Promise<ArchivedAttestation | undefined> {
  const entry = siblings.find(
    ({ annotations }) =>
      annotations["vnd.docker.reference.type"] === "attestation-manifest" &&
      annotations["vnd.docker.reference.digest"] === digest,
  );
  const manifest = entry === undefined ? undefined : members.findBlob(entry.digest);
  if (manifest === undefined) return undefined;
  const { config, layers } = parseImageManifest(
    await readDocument(manifest, MAX_DOCUMENT, "attestation manifest"),
  );
  const digests = new Set([config, ...layers].map((part) => part.digest));
  const blobs = [...digests].map((part) => members.findBlob(part)).filter((blob) => blob !== undefined);
  if (blobs.length < digests.size) return undefined;
  if (blobs.length > MAX_STATEMENTS + 1 || blobs.some(({ sizeBytes }) => sizeBytes > MAX_STATEMENT))
    throw invalid("invalid archive: an attestation has more or larger statements than any would");
  return { manifest, blobs };
}

async function fromManifest(
  members: ArchiveMembers,
  member: Member,
  names: readonly string[],
): Promise<ArchivedImage> {
  const manifest = parseImageManifest(await readDocument(member, MAX_DOCUMENT, "image manifest"));
  const config = members.blob(manifest.config.digest);
  return {
    config: { bytes: await readDocument(config, MAX_DOCUMENT, "image config"), member: config },
    layers: manifest.layers.map((layer) => layerOf(members, layer)),
    names,
    manifest: member,
    attestation: undefined,
  };
}

function layerOf(members: ArchiveMembers, descriptor: Descriptor): Member {
  if (
    !/^application\/vnd\.(oci\.image|docker\.image\.rootfs)\..*tar([+.](gzip|zstd))?$/.test(
      descriptor.mediaType,
    )
  ) {
    throw unsupported(`layers of the type "${descriptor.mediaType}" cannot be loaded`);
  }
  const member = members.blob(descriptor.digest);
  if (member.sizeBytes !== descriptor.sizeBytes) {
    throw invalid(
      `invalid archive: ${descriptor.digest} has ${member.sizeBytes} bytes, not ${descriptor.sizeBytes}`,
    );
  }
  return member;
}

/** containerd's annotation is a whole name; the OCI one may be a bare tag, which names nothing by itself. */
function nameOf(descriptor: Descriptor): string | undefined {
  const whole = descriptor.annotations["io.containerd.image.name"];
  if (whole !== undefined) return whole;
  const reference = descriptor.annotations["org.opencontainers.image.ref.name"];
  return reference !== undefined && /[/:]/.test(reference) ? reference : undefined;
}

import { Readable } from "node:stream";
import { type ContentStore, type Digest, digestOf } from "../content/index.ts";
import { MEDIA } from "./manifest.ts";
import { type TarMember, writeTar } from "./tar-writer.ts";

/** An image to save, with all its blobs in the content store. */
export interface SavedImage {
  readonly configDigest: Digest;
  readonly manifest: { readonly mediaType: string; readonly digest: Digest; readonly bytes: Uint8Array };
  /** Base first. */
  readonly layers: readonly {
    readonly diffId: string;
    readonly mediaType: string;
    readonly digest: Digest;
    readonly sizeBytes: number;
  }[];
  /** What is said of the image: the index of both, and the blobs of the other manifest with itself. */
  readonly attested?: { readonly index: Uint8Array; readonly blobs: readonly Digest[] };
  /** Names by which it was asked for; none for an id. */
  readonly names: readonly SavedName[];
}

export interface SavedName {
  /** As people write it: "busybox:latest". */
  readonly familiar: string;
  /** "docker.io/library/busybox:latest". */
  readonly full: string;
  readonly familiarRepository: string;
  readonly tag: string;
}

/** Where the blobs of saved images are read from: the content store, or memory. */
export type BlobSource = Pick<ContentStore, "find" | "open">;

/**
 * The archive that Docker 28 writes: an OCI layout (index.json) that is a docker-archive too (manifest.json,
 * repositories); as "oci" the layout alone. Blobs shared by images are there once; the same images give the same bytes.
 */
export async function saveImageArchive(
  images: readonly SavedImage[],
  content: BlobSource,
  format: "docker-archive" | "oci" = "docker-archive",
): Promise<Readable> {
  return Readable.from(writeTar(await members(images, content, format)), { objectMode: false });
}

async function members(
  images: readonly SavedImage[],
  content: BlobSource,
  format: "docker-archive" | "oci",
): Promise<TarMember[]> {
  const blobs = new Map<Digest, TarMember>();
  for (const image of images) {
    blobs.set(image.manifest.digest, memory(blobPath(image.manifest.digest), image.manifest.bytes));
    const { index, blobs: said = [] } = image.attested ?? {};
    if (index !== undefined) blobs.set(digestOf(index), memory(blobPath(digestOf(index)), index));
    for (const digest of [image.configDigest, ...image.layers.map((layer) => layer.digest), ...said]) {
      blobs.set(digest, await stored(digest, content));
    }
  }
  const ordered = [...blobs.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member);
  const layout: TarMember[] = [
    { type: "directory", path: "blobs" },
    { type: "directory", path: "blobs/sha256" },
    ...ordered,
    memory("index.json", JSON.stringify(indexOf(images))),
  ];
  const version = memory("oci-layout", '{"imageLayoutVersion":"1.0.0"}');
  if (format === "oci") return [...layout, version];
  return [
    ...layout,
    memory("manifest.json", JSON.stringify(images.map(dockerEntry))),
    version,
    memory("repositories", JSON.stringify(repositoriesOf(images))),
  ];
}

function blobPath(digest: Digest): string {
  return `blobs/sha256/${digest.slice("sha256:".length)}`;
}

function memory(path: string, content: string | Uint8Array): TarMember {
  const bytes = Buffer.from(content);
  return {
    type: "file",
    path,
    sizeBytes: bytes.length,
    async *open() {
      yield bytes;
    },
  };
}

async function stored(digest: Digest, content: BlobSource): Promise<TarMember> {
  const blob = await content.find(digest);
  if (blob === undefined) throw new RangeError(`content ${digest} is not here`);
  return {
    type: "file",
    path: blobPath(digest),
    sizeBytes: blob.sizeBytes,
    async *open() {
      yield* await content.open(digest);
    },
  };
}

function indexOf(images: readonly SavedImage[]) {
  const manifests = images.flatMap((image) => {
    const { index } = image.attested ?? {};
    const descriptor =
      index === undefined
        ? {
            mediaType: image.manifest.mediaType,
            digest: image.manifest.digest,
            size: image.manifest.bytes.length,
          }
        : { mediaType: MEDIA.index, digest: digestOf(index), size: index.length };
    if (image.names.length === 0) return [descriptor];
    return image.names.map((name) => ({
      ...descriptor,
      annotations: { "io.containerd.image.name": name.full, "org.opencontainers.image.ref.name": name.tag },
    }));
  });
  return { schemaVersion: 2, mediaType: MEDIA.index, manifests };
}

function dockerEntry(image: SavedImage) {
  const sources = image.layers.map(
    (layer) =>
      [layer.diffId, { mediaType: layer.mediaType, size: layer.sizeBytes, digest: layer.digest }] as const,
  );
  return {
    Config: blobPath(image.configDigest),
    RepoTags: image.names.length === 0 ? null : image.names.map((name) => name.familiar),
    Layers: image.layers.map((layer) => blobPath(layer.digest)),
    LayerSources: Object.fromEntries(sources),
  };
}

/** For readers from before manifest.json: repository → tag → id of the top layer. */
function repositoriesOf(images: readonly SavedImage[]): Record<string, Record<string, string>> {
  const repositories: Record<string, Record<string, string>> = {};
  for (const image of images) {
    const top = image.layers.at(-1)?.digest ?? digestOf("");
    for (const name of image.names) {
      repositories[name.familiarRepository] = {
        ...repositories[name.familiarRepository],
        [name.tag]: top.slice("sha256:".length),
      };
    }
  }
  return repositories;
}

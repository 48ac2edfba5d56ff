import type { Readable } from "node:stream";
import type { Credentials } from "../registry/index.ts";
import type {
  AuthReply,
  DistributionInspect,
  Filters,
  FsckReply,
  ImageConfig,
  ImageDeleteItem,
  ImageDiff,
  ImageHistoryItem,
  ImageInspect,
  ImageLayersReply,
  ImageSummary,
  ProgressMessage,
  SearchResult,
} from "../wire/index.ts";
import type { ImageDocument } from "./image-config.ts";
import type { Lease } from "./leases.ts";
import type { WantedLayer } from "./pull/bring-layer.ts";
import type { ImageLayer, LayerBlob } from "./table.ts";

/**
 * Images: an image is a row (id = digest of its config, names) plus its blobs and the snapshots of its layers.
 *
 * `reference` is what Docker takes: a name with optional tag or digest, an image id or an unambiguous prefix of it,
 * with or without "sha256:". Throws not-found "No such image: x", invalid "invalid reference format", conflict.
 */
export interface ImageService {
  list(options: { all: boolean; filters: Filters; sharedSize: boolean }): Promise<ImageSummary[]>;
  inspect(reference: string): ImageInspect;
  history(reference: string): ImageHistoryItem[];
  tag(reference: string, repository: string, tag: string): void;
  remove(reference: string, options: { force: boolean; noPrune: boolean }): Promise<ImageDeleteItem[]>;

  /** A docker-archive or OCI-layout tar, plain or compressed. Messages as the load endpoint sends them ("Loaded image: x\n"). */
  load(archive: Readable, signal: AbortSignal, platform?: string): AsyncIterable<ProgressMessage>;
  /** The images named as one archive, blobs that they share once. */
  save(references: readonly string[], signal: AbortSignal, options?: SaveOptions): Promise<Readable>;
  /**
   * A root file system tar, plain or compressed, as a one-layer image; from a URL the daemon fetches it itself. The last
   * message's status is the image id.
   */
  import(source: Readable | URL, options: ImportOptions, signal: AbortSignal): AsyncIterable<ProgressMessage>;
  /** Fetch an image from its registry, or make a built-in one present. Errors before the first message are thrown. */
  pull(reference: string, options: PullOptions, signal: AbortSignal): AsyncIterable<ProgressMessage>;

  /** Bring an image with all its blobs to its registry. Errors before the first message are thrown. */
  push(reference: string, options: PushOptions, signal: AbortSignal): AsyncIterable<ProgressMessage>;

  /** Ask a registry whether it takes an account. Throws unauthorized, unavailable. */
  login(credentials: Credentials, signal: AbortSignal): Promise<AuthReply>;
  /** Repositories of a registry that can be searched; unsupported for one that cannot. */
  search(
    question: {
      term: string;
      limit: number | undefined;
      filters: Filters;
      credentials: Credentials | undefined;
    },
    signal: AbortSignal,
  ): Promise<SearchResult[]>;
  /** What a registry has under a name, without pulling it. */
  distribution(
    reference: string,
    credentials: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<DistributionInspect>;

  /** What an image has set for containers: one that is here, else its registry's, which is not pulled. Throws not-found, unavailable. */
  configOf(
    reference: string,
    options: Pick<PullOptions, "platform" | "credentials">,
    signal: AbortSignal,
  ): Promise<ImageConfig>;

  /** For a container about to be created: by local name or id, else a built-in one is made present; not-found otherwise. */
  resolve(reference: string, platform?: string): Promise<ResolvedImage>;
  /** Remove images that nobody uses: those without a name, or with the filter dangling=false all. */
  prune(filters: Filters): Promise<{ items: ImageDeleteItem[]; bytes: number }>;
  /** Check every blob, layer and row against each other; mend what can be mended with `repair`. */
  check(repair: boolean, signal: AbortSignal): Promise<FsckReply>;
  /** Bytes of the files of all layers, each once. */
  layerBytes(): number;
  /** What each layer adds, changes and hides. */
  explain(reference: string, signal: AbortSignal): Promise<ImageLayersReply>;
  /** The files in which two images differ. */
  diff(before: string, after: string, signal: AbortSignal): Promise<ImageDiff[]>;
  /** Make an image of another one and a folder of changes: a container's commit. Resolves with its id. */
  commit(request: CommitRequest, signal: AbortSignal): Promise<string>;
  /** Make an image of layers that are here already: what a build or a commit ends with. Resolves with its id. */
  assemble(image: AssembledImage): Promise<string>;
  /** What an image is made of; undefined when it is not here. */
  layersOf(id: string): { document: ImageDocument; layers: readonly ImageLayer[] } | undefined;
  /** Bring layers of a chain, base first, here: unpacked, with their blobs. A lease must hold both. Throws invalid, unavailable. */
  bringLayers(layers: readonly WantedLayer[], signal: AbortSignal): Promise<void>;
  /** A blob of this layer that some image has. */
  blobOf(diffId: string): LayerBlob | undefined;
  /** Let an image be made of compressed layers, as a push does, and give them. Throws not-found. */
  compressLayers(id: string, lease: Lease, signal: AbortSignal): Promise<readonly ImageLayer[]>;
  /** A layer whose plain blob is here with a compressed one, which the lease holds. */
  compressLayer(layer: ImageLayer, lease: Lease, signal: AbortSignal): Promise<ImageLayer>;
  /** Say something of an image, as in-toto statements that go with it to registries and archives. Throws not-found. */
  attest(
    id: string,
    predicates: readonly { readonly type: string; readonly predicate: object }[],
    names: readonly string[],
    lease: Lease,
    signal: AbortSignal,
  ): Promise<void>;
  /** Hold chains and blobs that no image speaks for yet against garbage collection, until it is disposed. */
  lease(): Lease;
  /** The record of an image by id, for containers that already hold it; undefined when it was removed by force. */
  findById(id: string): ResolvedImage | undefined;
}

export interface PullOptions {
  /** OS[/ARCH[/VARIANT]]; this machine's when absent. */
  readonly platform?: string;
  readonly credentials?: Credentials;
  /** All tags of the repository; the reference has none then. */
  readonly allTags?: boolean;
}

export interface PushOptions {
  /** Empty: the reference's own, or all of its repository. */
  readonly tag: string;
  readonly credentials?: Credentials;
  /** Push this platform's image alone, without its index. */
  readonly platform?: string;
}

export interface SaveOptions {
  /** "docker-archive" is an OCI layout inside too, as Docker 25 and later write it; "oci" is that alone. */
  readonly format?: "docker-archive" | "oci";
  /** The images must be for this platform. */
  readonly platform?: string;
}

export interface CommitRequest {
  /** The image that the container was made of. */
  readonly imageId: string;
  /** The upper folder of its overlay. */
  readonly changedFolder: string;
  readonly config: ImageConfig;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  readonly author: string;
  readonly comment: string;
  readonly createdBy: string;
  /** Both empty for an image without a name. */
  readonly repository: string;
  readonly tag: string;
}

export interface ImportOptions {
  readonly repository: string;
  readonly tag: string;
  readonly message: string;
  readonly changes: readonly string[];
  readonly platform?: string;
}

/** An image made here (by a build, by commit), whose layers are unpacked and whose blobs are kept. */
export interface AssembledImage {
  /** The whole document of OCI image-spec config.md as JSON; its `rootfs` must name the layers given. */
  readonly document: string;
  /** Base first. */
  readonly layers: readonly ImageLayer[];
  /** Full or familiar names with tag; each is taken from any image that has it. */
  readonly names: readonly string[];
}

export interface ResolvedImage {
  /** "sha256:…" of the config. */
  readonly id: string;
  readonly config: ImageConfig;
  /** Chain of its top layer; undefined for an image without layers. */
  readonly chainId: string | undefined;
  readonly sizeBytes: number;
  readonly os: string;
  readonly architecture: string;
}

/** Asked before an image is removed: who uses it. Given by the composition, so that images know nothing of containers. */
export interface ImageUse {
  readonly containerId: string;
  readonly running: boolean;
}

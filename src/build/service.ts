import type { Readable } from "node:stream";
import type { AttachedStreams } from "../container/index.ts";
import type { Accounts } from "../registry/index.ts";
import type { HostConfig } from "../wire/index.ts";
import type { BuildEvent } from "./events.ts";
import type { Finding } from "./finding.ts";

/**
 * Builds: a Dockerfile and a context become an image. A build is a graph of operations whose results are kept by what
 * went into them (`BuildCache`), so that a second build does only what differs. No build outlives its request.
 */
export interface BuildService {
  /**
   * Run a build; its events come as they happen and end with `image` or with the error that is thrown. Leaving the
   * iteration or aborting stops what runs at once. Throws DockerfileError, StepError, invalid, not-found, cancelled.
   */
  build(request: BuildRequest, signal: AbortSignal): AsyncIterable<BuildEvent>;
  /** Stop the build that was begun under this id; it ends as when its client goes away. */
  cancel(id: string): void;
  /** Findings about a Dockerfile without building it. */
  check(request: BuildRequest, signal: AbortSignal): Promise<CheckReport>;
  /** Keep secrets and agent sockets for the build that names this session; they are forgotten with it, or after a minute. */
  offerSecrets(session: string, secrets: OfferedSecrets): void;
  /** Enter a shell that a build offers, on a terminal of this size. Leaving it ends the build. Throws not-found, conflict. */
  attachShell(id: string, size: readonly [rows: number, columns: number]): AttachedStreams;
  resizeShell(id: string, size: readonly [rows: number, columns: number]): void;
  /**
   * Tell what a context holds (see `readContextManifest`), for the build of a session. Resolves with the digests of the files
   * that this engine does not have; `name` tells contexts apart whose files are kept. Throws invalid.
   */
  beginContext(session: string, name: string, list: AsyncIterable<Uint8Array>): Promise<string[]>;
  /** The files of such a context that is no build's main one, as a tar of what was missing. Throws not-found, invalid. */
  completeContext(session: string, tar: Readable): Promise<void>;
  /** Keep a cache that a client brings (a tar of an OCI layout) for the build that names this session and name. Throws invalid. */
  offerCache(session: string, name: string, layout: Readable): Promise<void>;
  /** The cache that a build left for its client, once, as a tar of an OCI layout. Throws not-found. */
  takeCache(session: string, name: string): Promise<Readable>;
  /** All files of an image as a tar. Throws not-found. */
  exportTree(image: string, signal: AbortSignal): Promise<Readable>;
  /** What the cache keeps, oldest use first. */
  cacheRecords(): Promise<CacheRecord[]>;
  prune(options: PruneOptions): Promise<{ deleted: CacheRecord[]; reclaimedBytes: number }>;
  /** Builds since the daemon's start, newest first. */
  history(): BuildHistoryEntry[];
}

export interface BuildRequest {
  /** Of the client's choice, to cancel it by; "" for none. */
  readonly id: string;
  readonly source: ContextSource;
  /** Name of the Dockerfile within the context; "" for the default. */
  readonly dockerfile: string;
  readonly tags: readonly string[];
  /** "" for the last stage. */
  readonly target: string;
  /** undefined values unset an argument's default. */
  readonly buildArgs: ReadonlyMap<string, string | undefined>;
  readonly labels: Readonly<Record<string, string>>;
  readonly noCache: boolean;
  /** Stages whose steps are not taken from the cache. */
  readonly noCacheFilter: readonly string[];
  readonly pull: boolean;
  /** "" for this machine's. */
  readonly platform: string;
  readonly networkMode: string;
  readonly extraHosts: readonly string[];
  /** Limits of the RUN steps. */
  readonly limits: Partial<HostConfig>;
  /** Entitlements: "network.host", "security.insecure", "device", "device=NAME". */
  readonly allow: ReadonlySet<string>;
  /** What stands in the place of images and stages by its name: "docker-image://…", "sent:SESSION", or an address. */
  readonly namedContexts: ReadonlyMap<string, string>;
  /** Where results of other machines are looked for. */
  readonly cacheFrom: readonly CacheSource[];
  /** Where the results of this build go for other machines. */
  readonly cacheTo: readonly CacheTarget[];
  /** What shall be said of the image, and go with it. */
  readonly attestations: {
    readonly sbom: boolean;
    /** undefined: nothing is said of how it was built. */
    readonly provenance: ProvenanceMode | undefined;
  };
  /** Of the registries that images and caches come from and go to. */
  readonly accounts: Accounts;
  readonly session: string;
  /** What a RUN that fails does: end the build, or first offer a shell in the state before it (event `shell`). */
  readonly onError: "end" | "shell";
}

/** A cache of another machine. */
export type CacheSource =
  /** A cache manifest in a registry, or an image, here or there, that was built with an inline cache. */
  | { readonly kind: "registry"; readonly ref: string }
  /** An OCI layout that the client has sent under this name. */
  | { readonly kind: "local"; readonly name: string };

/** A cache for other machines. */
export type CacheTarget =
  /** Within the config of the image itself. */
  | { readonly kind: "inline" }
  /** A manifest of its own. */
  | {
      readonly kind: "registry";
      readonly ref: string;
      readonly mode: CacheMode;
      /** A failure is only told. */
      readonly ignoreError: boolean;
    }
  /** An OCI layout that the client fetches under this name. */
  | { readonly kind: "local"; readonly name: string; readonly mode: CacheMode };

/** "max" tells the values of arguments and the Dockerfile as well. */
export type ProvenanceMode = "min" | "max";

/** Results of the steps that the image is made of, or of all steps. */
export type CacheMode = "min" | "max";

export type ContextSource =
  | { readonly kind: "archive"; readonly stream: Readable }
  /** The files that were missing of the context that was told of for this session. */
  | { readonly kind: "sent"; readonly session: string; readonly stream: Readable }
  /** A Dockerfile alone, without files. */
  | { readonly kind: "dockerfile"; readonly text: string }
  /** A git repository or the address of an archive or Dockerfile. */
  | { readonly kind: "remote"; readonly url: string };

export interface OfferedSecrets {
  readonly values: ReadonlyMap<string, Buffer>;
  /** Paths of ssh agents' sockets on this machine, by id. */
  readonly agents: ReadonlyMap<string, string>;
}

export interface CheckReport {
  readonly file: string;
  readonly source: string;
  readonly findings: readonly Finding[];
  /** The Dockerfile asks for warnings to fail. */
  readonly fails: boolean;
}

export interface CacheRecord {
  readonly id: string;
  readonly type: "regular" | "exec.cachemount" | "source.local";
  readonly description: string;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number;
  readonly useCount: number;
  readonly inUse: boolean;
  /** An image has the same layer, so that removing the record frees nothing. */
  readonly shared: boolean;
  readonly parents: readonly string[];
  /** The cache of another machine that it came from; "" for what was made here. */
  readonly origin: string;
}

export interface PruneOptions {
  /** Also what other records stand on. */
  readonly all: boolean;
  /** Only what was not used for so long. */
  readonly unusedForMs: number;
  /** Least recently used ones go until this much is left; undefined: everything that may go. */
  readonly keepBytes: number | undefined;
  readonly ids: readonly string[];
  readonly dryRun: boolean;
}

export interface BuildHistoryEntry {
  readonly id: string;
  readonly name: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly status: "running" | "completed" | "error" | "canceled";
  readonly steps: number;
  readonly cachedSteps: number;
  readonly error: string;
}

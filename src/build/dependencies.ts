import type { CdiRegistry, StepOptions } from "../container/index.ts";
import type { ContentStore } from "../content/index.ts";
import type { EventLog } from "../events/index.ts";
import type { ImageService } from "../image/index.ts";
import type { Log } from "../log/index.ts";
import type { RegistryNetwork } from "../registry/index.ts";
import type { StoredOwners } from "../runtime/user-namespace/index.ts";
import type { OverlaySnapshotter } from "../snapshot/index.ts";
import type { Store } from "../store/index.ts";
import type { CacheMounts } from "./cache/mounts.ts";
import type { CacheLayouts } from "./cache/remote/layouts.ts";
import type { CacheTable } from "./cache/table.ts";
import type { ContextFiles } from "./context/files.ts";
import type { SentContexts } from "./context/sent.ts";
import type { RunningBuilds } from "./running.ts";
import type { SecretOffers } from "./secrets.ts";
import type { Shells } from "./shells.ts";

/** What the build service is built from. */
export interface BuildServiceOptions {
  readonly store: Store;
  readonly content: ContentStore;
  readonly snapshotter: OverlaySnapshotter;
  readonly images: Pick<
    ImageService,
    | "resolve"
    | "configOf"
    | "pull"
    | "assemble"
    | "layersOf"
    | "lease"
    | "inspect"
    | "attest"
    | "bringLayers"
    | "blobOf"
    | "compressLayer"
    | "compressLayers"
  > & {
    collectGarbage(): Promise<void>;
  };
  readonly registries: RegistryNetwork;
  /** Whether an image has this layer. */
  readonly isChainOfImage: (chainId: string) => boolean;
  readonly steps: StepOptions;
  readonly cdi: Pick<CdiRegistry, "match" | "resolve">;
  readonly events: EventLog;
  readonly log: Log;
  /** Path of gantry-shim. */
  readonly shim: string;
  /** Whose owners are on the disk; undefined when they are those of images. */
  readonly storedOwners: StoredOwners | undefined;
  /** DATA_ROOT/build: contexts being built and cache mounts. */
  readonly folder: string;
  /** EXEC_ROOT/build: secrets and the steps' own files, in memory where the machine has it so. */
  readonly runFolder: string;
  /** What the cache may take; least recently used records go first. */
  readonly cacheLimitBytes: number;
}

/** The same with what the service itself owns; every use case takes this as its first argument. */
export interface BuildContext extends BuildServiceOptions {
  readonly cache: CacheTable;
  readonly cacheMounts: CacheMounts;
  readonly cacheLayouts: CacheLayouts;
  readonly contextFiles: ContextFiles;
  readonly sentContexts: SentContexts;
  readonly running: RunningBuilds;
  readonly secrets: SecretOffers;
  readonly shells: Shells;
}

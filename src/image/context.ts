import type { Readable } from "node:stream";
import type { ContentStore } from "../content/index.ts";
import type { EventLog } from "../events/index.ts";
import type { RegistryNetwork } from "../registry/index.ts";
import type { OverlaySnapshotter } from "../snapshot/index.ts";
import type { Store } from "../store/index.ts";
import type { Leases } from "./leases.ts";
import type { LayerFetches } from "./pull/layer-fetches.ts";
import type { ImageUse } from "./service.ts";
import type { Settling } from "./settling.ts";
import type { ImageTable } from "./table.ts";

/** An image that ships with the engine, as an archive that `load` takes. */
export interface BuiltinImage {
  /** Familiar name without tag: "busybox". */
  readonly name: string;
  open(): Readable;
}

/** What the use cases of images work on. */
export interface ImageContext {
  readonly store: Store;
  readonly content: ContentStore;
  readonly snapshotter: OverlaySnapshotter;
  readonly events: EventLog;
  /** The native helper. */
  readonly shim: string;
  readonly usedBy: (imageId: string) => readonly ImageUse[];
  /** Blobs and chainIDs that other services rely on (a build cache). */
  readonly roots: () => ReadonlySet<string>;
  readonly builtins: readonly BuiltinImage[];
  readonly registries: RegistryNetwork;
  readonly table: ImageTable;
  readonly fetches: LayerFetches;
  readonly leases: Leases;
  readonly settling: Settling;
}

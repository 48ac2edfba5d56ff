/**
 * Snapshots: the file trees that containers and layers are made of.
 *
 * A *committed* snapshot is one unpacked layer (read-only, shared, keyed by chainID). An *active* one is the writable
 * layer of one container. Life cycle: `prepareLayer` → fill `folder` → `commitLayer` | `discard`; `createActive` →
 * use → `remove`. Rows change in the caller's database transaction, so that container, endpoint and snapshot appear
 * together or not at all; folders are made before and removed after it, and what a crash leaves is found by `sweep`.
 */

import type { QuotaUse } from "../quota/index.ts";

/** How to put a snapshot's tree together; becomes a `rootfs-overlay` operation. Lower folders topmost first. */
export interface SnapshotMount {
  readonly lower: readonly string[];
  readonly upper?: string;
  readonly work?: string;
}

/** One layer of a chain. */
export interface StackedLayer {
  readonly chainId: string;
  readonly folder: string;
  /** Bytes that its files took when it was unpacked. */
  readonly sizeBytes: number;
}

/** A layer being unpacked. */
export interface LayerDraft {
  /** The folder to unpack into, empty at first. */
  readonly folder: string;
  /** Folders of the layers below, topmost first: for parents that the layer does not bring itself. */
  readonly lower: readonly string[];
  /** overlayfs's own folder beside it, for a draft that is filled through a mount. */
  readonly work?: string;
}

export interface Snapshotter {
  /** undefined when the chain is not here yet. */
  findLayer(chainId: string): { readonly folder: string } | undefined;
  /** `writable`: to be the upper folder of a mount, and so with a `work` folder until it is committed. */
  prepareLayer(parentChainId: string | undefined, options?: { writable: boolean }): Promise<LayerDraft>;
  /** Make the draft visible as `chainId`. When another one committed the same chain meanwhile, that one is kept and the draft discarded. */
  commitLayer(
    draft: LayerDraft,
    chainId: string,
    parentChainId: string | undefined,
    sizeBytes: number,
  ): Promise<void>;
  discard(draft: LayerDraft): Promise<void>;

  /**
   * Make the folders of a container's writable layer; with a limit on what they may take on the disk, throws as `checkLimits`.
   */
  prepareActive(id: string, limitBytes?: number): Promise<void>;
  /** Throws unsupported when writable layers cannot be limited here, naming what is missing. */
  checkLimits(): Promise<void>;
  /** How far the writable layer has used its limit up; undefined without one. */
  limit(id: string): Promise<QuotaUse | undefined>;
  /** Write the row; call inside the transaction that writes the container's. */
  insertActive(id: string, parentChainId: string | undefined): void;
  mount(id: string): SnapshotMount;
  /** The tree of a committed chain alone, without a writable layer. */
  view(chainId: string): SnapshotMount;
  /** The layers of a committed chain, topmost first. */
  layers(chainId: string): readonly StackedLayer[];
  /** Delete the row; call inside the transaction that deletes the container's. */
  deleteActive(id: string): void;
  /** Remove the folders of an active snapshot whose row is gone. */
  removeActive(id: string): Promise<void>;
  /** Bytes the writable layer takes on disk. */
  usage(id: string): Promise<number>;

  /** Remove a committed layer that no image and no snapshot uses. */
  removeLayer(chainId: string): Promise<void>;
  /** Remove folders without a row. Run at start, before anything else uses the folders. Gives a sentence for each that stays. */
  sweep(): Promise<string[]>;
}

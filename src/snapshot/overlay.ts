import { chown, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { conflict, internal, messageOf, notFound } from "../errors/index.ts";
import { removeTree } from "../platform/index.ts";
import { explainLimited, type FolderQuotas, type QuotaUse } from "../quota/index.ts";
import type { Store } from "../store/index.ts";
import { folderBytes } from "./disk-usage.ts";
import { SnapshotRows } from "./rows.ts";
import type { LayerDraft, SnapshotMount, Snapshotter, StackedLayer } from "./snapshotter.ts";

/** What the overlay snapshotter tells beyond the contract, for whoever collects garbage. */
export interface OverlaySnapshotter extends Snapshotter {
  /** Bytes that a committed layer's files took when it was unpacked. */
  layerSize(chainId: string): number | undefined;
  /** Whether another layer or a writable one stands on this one. */
  isLayerUsed(chainId: string): boolean;
  /** Folders that no row and no work in progress speaks for. */
  strayFolders(): Promise<string[]>;
  /** All committed layers, children before their parents. */
  listLayers(): readonly { chainId: string; parentChainId: string | undefined }[];
}

/**
 * Snapshots as folders for overlayfs: ROOT/NUMBER/fs holds a layer, ROOT/NUMBER/work is overlayfs's own.
 * Nothing is mounted here; whoever makes the container mounts inside its namespace.
 */
export async function createOverlaySnapshotter(options: {
  store: Store;
  root: string;
  /** Of a folder that `root` lies in. */
  quotas: FolderQuotas;
  /** Whose a layer's own folder is; the engine's without one. */
  owner?: LayerOwner | undefined;
}): Promise<OverlaySnapshotter> {
  await mkdir(options.root, { recursive: true, mode: 0o711 });
  const rows = new SnapshotRows(options.store);
  const onDisk = (await readdir(options.root)).map(Number).filter(Number.isSafeInteger);
  return new FolderSnapshotter(
    options.store,
    rows,
    options.root,
    options.quotas,
    Math.max(0, ...rows.numbers(), ...onDisk),
    options.owner,
  );
}

interface LayerOwner {
  readonly uid: number;
  readonly gid: number;
}

class FolderSnapshotter implements OverlaySnapshotter {
  readonly #store: Store;
  readonly #rows: SnapshotRows;
  readonly #root: string;
  readonly #quotas: FolderQuotas;
  readonly #owner: LayerOwner | undefined;
  #lastNumber: number;
  /** Folders that are being made. */
  readonly #opening = new Set<number>();
  readonly #drafts = new Map<LayerDraft, number>();
  /** Writable layers whose folders are made but whose row is not written yet, and those whose row is gone. */
  readonly #withoutRow = new Map<string, number>();

  constructor(
    store: Store,
    rows: SnapshotRows,
    root: string,
    quotas: FolderQuotas,
    lastNumber: number,
    owner: LayerOwner | undefined,
  ) {
    this.#store = store;
    this.#rows = rows;
    this.#root = root;
    this.#quotas = quotas;
    this.#lastNumber = lastNumber;
    this.#owner = owner;
  }

  #folder(number: number): string {
    return join(this.#root, String(number), "fs");
  }

  async #makeFolder(number: number): Promise<void> {
    const folder = this.#folder(number);
    await mkdir(folder, { mode: 0o755 });
    if (this.#owner !== undefined) await chown(folder, this.#owner.uid, this.#owner.gid);
  }

  layers(chainId: string | undefined): StackedLayer[] {
    const layers: StackedLayer[] = [];
    for (let at = chainId; at !== undefined; ) {
      const row = this.#rows.layer(at);
      if (row === undefined) throw notFound(`layer ${at} is not here`);
      layers.push({ chainId: at, folder: this.#folder(row.number), sizeBytes: row.sizeBytes });
      at = row.parentChainId;
    }
    return layers;
  }

  /** Folders of a chain, topmost first. */
  #chain(chainId: string | undefined): string[] {
    return this.layers(chainId).map(({ folder }) => folder);
  }

  findLayer(chainId: string): { readonly folder: string } | undefined {
    const row = this.#rows.layer(chainId);
    return row === undefined ? undefined : { folder: this.#folder(row.number) };
  }

  layerSize(chainId: string): number | undefined {
    return this.#rows.layer(chainId)?.sizeBytes;
  }

  isLayerUsed(chainId: string): boolean {
    return this.#rows.isLayerUsed(chainId);
  }

  listLayers() {
    return this.#rows.layers();
  }

  async prepareLayer(
    parentChainId: string | undefined,
    { writable } = { writable: false },
  ): Promise<LayerDraft> {
    const lower = this.#chain(parentChainId);
    const number = ++this.#lastNumber;
    using _opening = this.#open(number);
    await mkdir(join(this.#root, String(number)), { mode: 0o711 });
    await this.#makeFolder(number);
    const work = join(this.#root, String(number), "work");
    if (writable) await mkdir(work, { mode: 0o711 });
    const draft: LayerDraft = { folder: this.#folder(number), lower, ...(writable ? { work } : {}) };
    this.#drafts.set(draft, number);
    return draft;
  }

  async commitLayer(
    draft: LayerDraft,
    chainId: string,
    parentChainId: string | undefined,
    sizeBytes: number,
  ): Promise<void> {
    const number = this.#drafts.get(draft);
    if (number === undefined) throw internal("a layer was committed that is no draft");
    const isFirst = this.#store.transaction(() => {
      if (this.#rows.layer(chainId) !== undefined) return false;
      if (parentChainId !== undefined && this.#rows.layer(parentChainId) === undefined) {
        throw notFound(`layer ${parentChainId} is not here`);
      }
      this.#rows.insertLayer(chainId, { number, parentChainId, sizeBytes });
      return true;
    });
    if (!isFirst) return this.discard(draft);
    this.#drafts.delete(draft);
    if (draft.work !== undefined) await removeTree(draft.work);
  }

  async discard(draft: LayerDraft): Promise<void> {
    const number = this.#drafts.get(draft);
    if (number === undefined) return;
    await this.#removeFolders(number);
    this.#drafts.delete(draft);
  }

  /** A number is in use from before its folder is made. */
  #open(number: number): Disposable {
    this.#opening.add(number);
    return { [Symbol.dispose]: () => this.#opening.delete(number) };
  }

  async prepareActive(id: string, limitBytes?: number): Promise<void> {
    const number = ++this.#lastNumber;
    using _opening = this.#open(number);
    const folder = join(this.#root, String(number));
    await mkdir(folder, { mode: 0o711 });
    // From here on the caller's removeActive takes it back.
    this.#withoutRow.set(id, number);
    // First: both folders below are made in its project, between which overlayfs moves files.
    if (limitBytes !== undefined) await this.#quotas.limit(folder, limitBytes);
    try {
      await Promise.all([this.#makeFolder(number), mkdir(join(folder, "work"), { mode: 0o711 })]);
    } catch (error) {
      throw limitBytes === undefined ? error : explainLimited(error, limitBytes);
    }
  }

  checkLimits(): Promise<void> {
    return this.#quotas.check();
  }

  async limit(id: string): Promise<QuotaUse | undefined> {
    const row = this.#rows.active(id);
    return row === undefined ? undefined : this.#quotas.use(join(this.#root, String(row.number)));
  }

  insertActive(id: string, parentChainId: string | undefined): void {
    const number = this.#withoutRow.get(id);
    if (number === undefined) throw internal(`the writable layer of ${id} was not prepared`);
    if (parentChainId !== undefined && this.#rows.layer(parentChainId) === undefined) {
      throw notFound(`layer ${parentChainId} was removed meanwhile`);
    }
    this.#rows.insertActive(id, { number, parentChainId });
    this.#store.afterCommit(() => this.#withoutRow.delete(id));
  }

  mount(id: string): SnapshotMount {
    const row = this.#rows.active(id);
    if (row === undefined) throw notFound(`container ${id} has no writable layer`);
    return {
      lower: this.#chain(row.parentChainId),
      upper: this.#folder(row.number),
      work: join(this.#root, String(row.number), "work"),
    };
  }

  view(chainId: string): SnapshotMount {
    return { lower: this.#chain(chainId) };
  }

  deleteActive(id: string): void {
    const row = this.#rows.active(id);
    if (row === undefined) return;
    this.#rows.deleteActive(id);
    this.#store.afterCommit(() => this.#withoutRow.set(id, row.number));
  }

  async removeActive(id: string): Promise<void> {
    const number = this.#withoutRow.get(id);
    if (number === undefined) return;
    await this.#removeFolders(number);
    await this.#quotas.release(join(this.#root, String(number)));
    this.#withoutRow.delete(id);
  }

  async usage(id: string): Promise<number> {
    const row = this.#rows.active(id);
    if (row === undefined) throw notFound(`container ${id} has no writable layer`);
    return folderBytes(this.#folder(row.number));
  }

  async removeLayer(chainId: string): Promise<void> {
    const row = this.#store.transaction(() => {
      const found = this.#rows.layer(chainId);
      if (found === undefined) return undefined;
      if (this.#rows.isLayerUsed(chainId)) throw conflict(`layer ${chainId} is in use`);
      this.#rows.deleteLayer(chainId);
      return found;
    });
    if (row !== undefined) await this.#removeFolders(row.number);
  }

  async sweep(): Promise<string[]> {
    const left: string[] = [];
    for (const folder of await this.strayFolders()) {
      // A container may have made files that not even root can remove (chattr(1), +i).
      await removeTree(folder).catch((error) => {
        left.push(`${folder}, a layer of nobody's, stays: ${messageOf(error)}`);
      });
    }
    return left;
  }

  async strayFolders(): Promise<string[]> {
    const newest = this.#lastNumber;
    const names = await readdir(this.#root);
    const kept = this.#rows.numbers();
    for (const number of [...this.#drafts.values(), ...this.#withoutRow.values()]) kept.add(number);
    for (const number of this.#opening) kept.add(number);
    // What was begun since the folder was read is not in it, or has its number noted.
    return names
      .filter((name) => !kept.has(Number(name)) && !(Number(name) > newest))
      .map((name) => join(this.#root, name));
  }

  async #removeFolders(number: number): Promise<void> {
    await removeTree(join(this.#root, String(number)));
  }
}

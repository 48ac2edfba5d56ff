import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sourceTreeShimPath } from "../platform/index.ts";
import { createFolderQuotas, quotaMigrations } from "../quota/index.ts";
import { openStore, type Store } from "../store/index.ts";
import { createOverlaySnapshotter, type OverlaySnapshotter, snapshotMigrations } from "./index.ts";

let base = "";
let store: Store;
let snapshots: OverlaySnapshotter;
const open = () =>
  createOverlaySnapshotter({
    store,
    root: join(base, "snapshots"),
    quotas: createFolderQuotas({ store, root: base, shim: sourceTreeShimPath() }),
  });
const folders = () => readdirSync(join(base, "snapshots")).sort();

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), "gantry-snapshot-"));
  store = openStore(join(base, "db"), [...snapshotMigrations, ...quotaMigrations]);
  snapshots = await open();
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(base, { recursive: true, force: true });
});

async function commit(chainId: string, parent?: string) {
  const draft = await snapshots.prepareLayer(parent);
  await snapshots.commitLayer(draft, chainId, parent, 5);
  return draft.folder;
}

async function activate(id: string, parent?: string) {
  await snapshots.prepareActive(id);
  store.transaction(() => snapshots.insertActive(id, parent));
}

describe("layers", () => {
  test("are found once committed, with the layers below topmost first", async () => {
    const bottom = await commit("a");
    const middle = await commit("b", "a");
    const draft = await snapshots.prepareLayer("b");
    expect(draft.lower).toEqual([middle, bottom]);
    expect(snapshots.findLayer("c")).toBeUndefined();
    await snapshots.commitLayer(draft, "c", "b", 1);
    expect(snapshots.findLayer("c")?.folder).toBe(draft.folder);
    expect(snapshots.view("c")).toEqual({ lower: [draft.folder, middle, bottom] });
    expect(snapshots.layerSize("a")).toBe(5);
  });

  test("of two drafts of one chain the first stays", async () => {
    const drafts = await Promise.all([snapshots.prepareLayer(undefined), snapshots.prepareLayer(undefined)]);
    for (const draft of drafts) await snapshots.commitLayer(draft, "a", undefined, 1);
    expect(snapshots.findLayer("a")?.folder).toBe(drafts[0].folder);
    expect(folders()).toEqual(["1"]);
  });

  test("whose parent is gone cannot be committed", async () => {
    await commit("a");
    const draft = await snapshots.prepareLayer("a");
    await snapshots.removeLayer("a");
    await expect(snapshots.commitLayer(draft, "b", "a", 1)).rejects.toMatchObject({ kind: "not-found" });
    await snapshots.discard(draft);
    expect(folders()).toEqual([]);
  });

  test("that something stands on cannot be removed", async () => {
    await commit("a");
    await commit("b", "a");
    await activate("box", "b");
    await expect(snapshots.removeLayer("a")).rejects.toMatchObject({ kind: "conflict" });
    await expect(snapshots.removeLayer("b")).rejects.toMatchObject({ kind: "conflict" });
    store.transaction(() => snapshots.deleteActive("box"));
    await snapshots.removeActive("box");
    await snapshots.removeLayer("b");
    await snapshots.removeLayer("a");
    expect(folders()).toEqual([]);
  });

  test("are listed children first", async () => {
    await commit("z");
    await commit("a", "z");
    expect(snapshots.listLayers().map(({ chainId }) => chainId)).toEqual(["a", "z"]);
  });
});

describe("writable layers", () => {
  test("have a folder for changes and one for overlayfs beside each other", async () => {
    const lower = await commit("a");
    await activate("box", "a");
    const mount = snapshots.mount("box");
    expect(mount.lower).toEqual([lower]);
    expect(mount.upper).toBe(join(base, "snapshots/2/fs"));
    expect(mount.work).toBe(join(base, "snapshots/2/work"));
    expect(readdirSync(join(base, "snapshots/2")).sort()).toEqual(["fs", "work"]);
  });

  test("appear and vanish with the transaction of their container", async () => {
    await snapshots.prepareActive("box");
    expect(() =>
      store.transaction(() => {
        snapshots.insertActive("box", undefined);
        throw new Error("something else failed");
      }),
    ).toThrow("something else failed");
    expect(() => snapshots.mount("box")).toThrow("no writable layer");
    await snapshots.removeActive("box");
    expect(folders()).toEqual([]);
  });

  test("cannot stand on a layer that was removed meanwhile", async () => {
    await snapshots.prepareActive("box");
    expect(() => store.transaction(() => snapshots.insertActive("box", "gone"))).toThrow("removed meanwhile");
  });

  test("keep their folders when the deletion of the row is rolled back", async () => {
    await activate("box");
    expect(() =>
      store.transaction(() => {
        snapshots.deleteActive("box");
        throw new Error("no");
      }),
    ).toThrow("no");
    await snapshots.removeActive("box");
    expect(snapshots.mount("box").upper).toBe(join(base, "snapshots/1/fs"));
    expect(folders()).toEqual(["1"]);
  });

  test("count their files' bytes, hard links once", async () => {
    await activate("box");
    const upper = snapshots.mount("box").upper ?? "";
    mkdirSync(join(upper, "d"));
    writeFileSync(join(upper, "d/f"), "12345");
    linkSync(join(upper, "d/f"), join(upper, "again"));
    writeFileSync(Buffer.concat([Buffer.from(`${upper}/`), Buffer.from([0xff])]), "123");
    expect(await snapshots.usage("box")).toBe(8);
  });
});

describe("after a crash", () => {
  test("folders without a row are swept, others stay, and numbers are not used twice", async () => {
    await commit("a");
    await activate("box", "a");
    await snapshots.prepareLayer("a");
    await snapshots.prepareActive("half");
    const restarted = await open();
    await restarted.sweep();
    expect(folders()).toEqual(["1", "2"]);
    const draft = await restarted.prepareLayer(undefined);
    expect(draft.folder).toBe(join(base, "snapshots/5/fs"));
    await restarted.sweep();
    expect(folders()).toEqual(["1", "2", "5"]);
  });
});

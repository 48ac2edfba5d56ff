import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { unpackLayer } from "../archive/index.ts";
import { digestOf } from "../content/index.ts";
import { sourceTreeShimPath } from "../platform/index.ts";
import { dockerArchive, never, openTestEngine, tarOf, textFile } from "./testing.ts";

let engine: Awaited<ReturnType<typeof openTestEngine>>;
beforeEach(async () => {
  engine = await openTestEngine();
});
afterEach(() => engine[Symbol.dispose]());

const base = () =>
  tarOf({ type: "directory", path: "etc" }, textFile("etc/base", "base"), textFile("etc/old", "1234567"));
const top = () =>
  tarOf(textFile("etc/base", "other"), textFile("etc/.wh.old", ""), textFile("etc/new", "new!"));
const check = async (repair = false) => (await engine.images.check(repair, never)).Problems;

test("a sound store has no problems", async () => {
  await engine.load(await dockerArchive({ layers: [await base(), await top()], names: ["app:v1"] }));
  expect(await engine.images.check(false, never)).toEqual({
    Checked: { Blobs: 4, Layers: 2, Images: 1 },
    Problems: [],
  });
});

test("what is said of an image is kept whole, or not at all", async () => {
  await engine.load(await dockerArchive({ layers: [await base()], names: ["app:v1"] }));
  const { Id: id } = engine.images.inspect("app:v1");
  const say = async (word: string) => {
    using lease = engine.images.lease();
    await engine.images.attest(id, [{ type: "urn:x", predicate: { word } }], ["app:v1"], lease, never);
  };
  await say("first");
  await say("second");
  // The plain blob, and what was said first.
  await check(true);
  expect(await check()).toEqual([]);
  const blobs = await engine.content.list();
  const texts = await Promise.all(blobs.map(({ digest }) => engine.content.read(digest, 1 << 20)));
  const at = texts.findIndex((text) => text.includes('"word":"second"'));
  expect(texts.some((text) => text.includes('"word":"first"'))).toBe(false);
  rmSync(blobs[at]?.path ?? "");
  expect(await check(true)).toMatchObject([{ Kind: "image", Subject: "app:v1", Repaired: true }]);
  expect(await check()).toEqual([]);
  expect((await engine.content.list()).length).toBe(blobs.length - 3);
});

test("a flipped blob, a lost layer and strays are found; what can be is repaired", async () => {
  await engine.load(await dockerArchive({ layers: [await base(), await top()], names: ["app:v1"] }));
  const [layer] = engine.images.layersOf(engine.images.inspect("app:v1").Id)?.layers ?? [];
  const folder = engine.snapshotter.findLayer(layer?.chainId ?? "")?.folder ?? "";
  rmSync(folder, { recursive: true });
  await engine.content.put(Buffer.from("nobody's"));
  const found = await check();
  expect(found.map(({ Kind, Repaired }) => [Kind, Repaired])).toEqual([
    ["layer", false],
    ["blob", false],
  ]);
  expect((await check(true)).every(({ Repaired }) => Repaired)).toBe(true);
  expect(await check()).toEqual([]);
  const id = engine.images.inspect("app:v1").Id;
  const blob = await engine.content.find(digestOf(await top()));
  writeFileSync(blob?.path ?? "", "damaged");
  expect(await check(true)).toMatchObject([{ Kind: "blob", Repaired: true }]);
  // What only its source can give again stays told.
  expect(await check(true)).toMatchObject([{ Kind: "image", Subject: "app:v1", Repaired: false }]);
  expect(engine.images.inspect(id).Id).toBe(id);
});

test("prune takes images without a name, and with dangling=false all that no container uses", async () => {
  await engine.load(
    await dockerArchive({ layers: [await base()], names: [] }, { layers: [await top()], names: ["app:v1"] }),
  );
  const first = await engine.images.prune(new Map());
  expect(first.items).toHaveLength(2);
  expect(first.bytes).toBeGreaterThan(0);
  engine.uses.set(engine.images.inspect("app:v1").Id, [{ containerId: "c".repeat(64), running: false }]);
  const all = new Map([["dangling", new Set(["false"])]]);
  expect((await engine.images.prune(all)).items).toEqual([]);
  engine.uses.clear();
  expect((await engine.images.prune(all)).items).toContainEqual({ Untagged: "app:v1" });
  expect(engine.trace()).toEqual({ blobs: 0, ingests: 0, snapshots: 0, images: 0 });
});

test("layers are explained: what each adds, changes and hides, and what it wastes", async () => {
  await engine.load(await dockerArchive({ layers: [await base(), await top()], names: ["app:v1"] }));
  const { Layers, WastedBytes } = await engine.images.explain("app:v1", never);
  expect(Layers[0]).toMatchObject({
    Added: { Files: 3, Bytes: 11 },
    Changed: { Files: 0, Bytes: 0 },
    Hidden: 0,
  });
  expect(Layers[1]).toMatchObject({
    Added: { Files: 1, Bytes: 4 },
    Changed: { Files: 1, Bytes: 5 },
    Hidden: 1,
    WastedBytes: 11,
    Largest: [
      { Path: "/etc/base", Size: 5 },
      { Path: "/etc/new", Size: 4 },
    ],
  });
  expect(WastedBytes).toBe(11);
});

test("two images are compared file by file, whatever their layers", async () => {
  const flat = await tarOf(
    { type: "directory", path: "etc" },
    textFile("etc/base", "other"),
    textFile("etc/new", "NEW!"),
  );
  await engine.load(
    await dockerArchive(
      { layers: [await base(), await top()], names: ["app:v1"] },
      { layers: [flat], names: ["app:v2"] },
      { layers: [await base()], names: ["app:v0"] },
    ),
  );
  expect(await engine.images.diff("app:v1", "app:v2", never)).toEqual([
    { Kind: "changed", Path: "/etc/new", Before: 4, After: 4 },
  ]);
  expect(await engine.images.diff("app:v0", "app:v1", never)).toEqual([
    { Kind: "changed", Path: "/etc/base", Before: 4, After: 5 },
    { Kind: "added", Path: "/etc/new", Before: 0, After: 4 },
    { Kind: "removed", Path: "/etc/old", Before: 7, After: 0 },
  ]);
  expect(await engine.images.diff("app:v1", "app:v1", never)).toEqual([]);
});

test("a layer that unpacks out of all proportion is refused and leaves nothing", async () => {
  const bomb = gzipSync(await tarOf(textFile("zeros", Buffer.alloc(20 << 20))));
  const folder = join(engine.root, "out");
  mkdirSync(folder);
  const request = {
    shim: sourceTreeShimPath(),
    layer: { stream: Readable.from([bomb]) },
    folder,
    lower: [],
    limitBytes: 10 << 20,
  };
  await expect(unpackLayer(request, never)).rejects.toThrow("unpacks to over 10485760 bytes");
});

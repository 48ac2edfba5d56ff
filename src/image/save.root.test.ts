import { afterEach, beforeEach, expect, test } from "bun:test";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { FaultyRegistry } from "../../test/registry/faulty-registry.ts";
import { readTarEntries } from "../archive/index.ts";
import { digestOf } from "../content/index.ts";
import type { SaveOptions } from "./service.ts";
import { configOf, dockerArchive, never, openTestEngine, tarOf, textFile } from "./testing.ts";

let engine: Awaited<ReturnType<typeof openTestEngine>>;
beforeEach(async () => {
  engine = await openTestEngine();
});
afterEach(() => engine[Symbol.dispose]());

const base = () => tarOf({ type: "directory", path: "etc" }, textFile("etc/base", "base"));
const top = () => tarOf(textFile("etc/top", "top!"));
const save = async (names: string[], options: SaveOptions = {}) =>
  Buffer.concat(await Array.fromAsync(await engine.images.save(names, never, options)));

const source = (bytes: Uint8Array) => Readable.from([bytes]);

/** The files of an archive by their paths. */
async function filesOf(archive: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for await (const entry of readTarEntries(source(archive))) {
    if (entry.type === "file") files.set(entry.path, Buffer.concat(await Array.fromAsync(entry.chunks())));
  }
  return files;
}
const documentOf = (files: Map<string, Buffer>, path: string) => JSON.parse(String(files.get(path)));

async function loadTwo() {
  const one = { layers: [await base()], names: ["app:1", "app:2"] };
  const two = { layers: [await base(), await top()], names: ["other:1"] };
  await engine.load(await dockerArchive(one, two));
  return { one, two };
}

test("the same images give the same bytes, every time, and also after they went round", async () => {
  await loadTwo();
  const saved = await save(["app:1", "other:1"]);
  expect((await save(["app:1", "other:1"])).equals(saved)).toBe(true);
  for (const name of ["app:1", "app:2", "other:1"])
    await engine.images.remove(name, { force: false, noPrune: false });
  expect(engine.trace()).toEqual({ blobs: 0, ingests: 0, snapshots: 0, images: 0 });
  await engine.load(saved);
  expect((await save(["app:1", "other:1"])).equals(saved)).toBe(true);
});

test("several images are one archive with every blob once; a repository stands for all of its tags", async () => {
  const { one, two } = await loadTwo();
  const files = await filesOf(await save(["app", "other:1"]));
  const blobs = [...files.keys()].filter((path) => path.startsWith("blobs/"));
  // Two configs, two manifests, two layers of which the images share one.
  expect(blobs).toHaveLength(6);
  for (const path of blobs) expect(digestOf(files.get(path) ?? "")).toBe(`sha256:${path.slice(-64)}`);
  const entries: { Config: string; RepoTags: string[] }[] = documentOf(files, "manifest.json");
  expect(entries.map(({ Config, RepoTags }) => [Config.slice(-64), RepoTags])).toEqual([
    [configOf(one).id.slice(-64), ["app:1", "app:2"]],
    [configOf(two).id.slice(-64), ["other:1"]],
  ]);
  expect(documentOf(files, "repositories")).toEqual({
    app: { "1": expect.any(String), "2": expect.any(String) },
    other: { "1": expect.any(String) },
  });
});

test("an image asked for by its id has no name in the archive", async () => {
  const { one } = await loadTwo();
  const files = await filesOf(await save([configOf(one).id]));
  expect(documentOf(files, "manifest.json")[0].RepoTags).toBeNull();
  expect(documentOf(files, "index.json").manifests[0].annotations).toBeUndefined();
});

test("as an OCI layout it has nothing of Docker's, and is loaded all the same", async () => {
  const { two } = await loadTwo();
  const archive = await save(["other:1"], { format: "oci" });
  const files = await filesOf(archive);
  expect([...files.keys()].filter((path) => !path.startsWith("blobs/"))).toEqual([
    "index.json",
    "oci-layout",
  ]);
  await engine.images.remove("other:1", { force: false, noPrune: false });
  expect(await engine.load(archive)).toEqual(["Loaded image: other:1\n"]);
  expect(engine.images.inspect("other:1").Id).toBe(configOf(two).id);
});

test("a platform that the image is not for is refused, the one that it is for is saved", async () => {
  await loadTwo();
  await expect(save(["app:1"], { platform: "linux/arm64" })).rejects.toThrow(
    "image with reference app:1 was found but does not provide the specified platform (linux/arm64/v8)",
  );
  expect((await save(["app:1"], { platform: "linux/amd64" })).equals(await save(["app:1"]))).toBe(true);
});

test("of an archive of several platforms the one asked for is loaded", async () => {
  await using registry = await FaultyRegistry.start();
  const tar = await base();
  const images = ["amd64", "arm64"].map((architecture) => {
    const layer = { bytes: gzipSync(tar), diffId: digestOf(tar) };
    const { digest, id } = registry.addImage("app", architecture, [layer], { architecture });
    const bytes = registry.manifests.get(`app ${digest}`)?.bytes ?? Buffer.alloc(0);
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    return {
      id,
      bytes,
      entry: { mediaType, digest, size: bytes.length, platform: { os: "linux", architecture } },
    };
  });
  const index = JSON.stringify({ schemaVersion: 2, manifests: images.map(({ entry }) => entry) });
  const blob = (bytes: Uint8Array | string) => textFile(`blobs/sha256/${digestOf(bytes).slice(7)}`, bytes);
  const whole = {
    mediaType: "application/vnd.oci.image.index.v1+json",
    digest: digestOf(index),
    size: index.length,
    annotations: { "io.containerd.image.name": "docker.io/library/multi:1" },
  };
  const archive = await tarOf(
    ...[index, ...images.map(({ bytes }) => bytes), ...registry.blobs.values()].map(blob),
    textFile("index.json", JSON.stringify({ schemaVersion: 2, manifests: [whole] })),
    textFile("oci-layout", '{"imageLayoutVersion":"1.0.0"}'),
  );
  const load = async (platform: string) =>
    Array.fromAsync(engine.images.load(source(archive), never, platform));
  await load("linux/arm64");
  expect(engine.images.inspect("multi:1").Id).toBe(images[1]?.id ?? "");
  await load("linux/amd64");
  expect(engine.images.inspect("multi:1").Id).toBe(images[0]?.id ?? "");
  await expect(load("linux/s390x")).rejects.toThrow("it has no image for linux/s390x");
  const flat = await dockerArchive({ layers: [tar], names: ["flat:1"] });
  await expect(Array.fromAsync(engine.images.load(source(flat), never, "linux/arm64"))).rejects.toThrow(
    "requested platform (linux/arm64/v8) not found",
  );
});

test("what is being saved stays until the archive is written, also when the image is removed", async () => {
  await loadTwo();
  const whole = await save(["other:1"]);
  const stream = await engine.images.save(["other:1"], never);
  await engine.images.remove("other:1", { force: true, noPrune: false });
  expect(Buffer.concat(await Array.fromAsync(stream)).equals(whole)).toBe(true);
});

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { readTarEntries, type TarMember } from "../archive/index.ts";
import { digestOf } from "../content/index.ts";
import { bombOf, configOf, dockerArchive, never, openTestEngine, tarOf, textFile, texts } from "./testing.ts";

let engine: Awaited<ReturnType<typeof openTestEngine>>;
beforeEach(async () => {
  engine = await openTestEngine();
});
afterEach(() => engine[Symbol.dispose]());

const base = () => tarOf({ type: "directory", path: "etc" }, textFile("etc/base", "base"));
const top = () => tarOf(textFile("etc/top", "top!"));
const EMPTY = { blobs: 0, ingests: 0, snapshots: 0, images: 0 };

async function ociArchive(tamper: { index?: object; layerBytes?: Uint8Array; mediaType?: string } = {}) {
  const layer = await base();
  const { text, id } = configOf({ layers: [layer], names: [] });
  const compressed = tamper.layerBytes ?? gzipSync(layer);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: id, size: text.length },
    layers: [
      {
        mediaType: tamper.mediaType ?? "application/vnd.oci.image.layer.v1.tar+gzip",
        digest: digestOf(gzipSync(layer)),
        size: gzipSync(layer).length,
      },
    ],
  });
  const other = JSON.stringify({ schemaVersion: 2, layers: [] });
  const descriptor = (bytes: string, platform: object) => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: digestOf(bytes),
    size: bytes.length,
    platform,
  });
  const nested = JSON.stringify({
    schemaVersion: 2,
    manifests: [
      descriptor(other, { os: "linux", architecture: "arm64" }),
      descriptor(other, { os: "unknown", architecture: "unknown" }),
      descriptor(manifest, { os: "linux", architecture: "amd64" }),
    ],
  });
  const index = tamper.index ?? {
    schemaVersion: 2,
    manifests: [
      {
        mediaType: "application/vnd.oci.image.index.v1+json",
        digest: digestOf(nested),
        size: nested.length,
        annotations: { "org.opencontainers.image.ref.name": "example.com/team/app:v1" },
      },
    ],
  };
  const blob = (bytes: string | Uint8Array, name = digestOf(bytes)) =>
    textFile(`blobs/sha256/${name.slice(7)}`, bytes);
  const archive = await tarOf(
    textFile("oci-layout", '{"imageLayoutVersion":"1.0.0"}'),
    textFile("index.json", JSON.stringify(index)),
    blob(nested),
    blob(manifest),
    blob(other),
    blob(text),
    blob(compressed, digestOf(gzipSync(layer))),
  );
  return { archive, id };
}

describe("load", () => {
  test("takes a docker-archive: plain, gzip or zstd", async () => {
    const image = { layers: [await base(), await top()], names: ["team/app:1"], config: { Cmd: ["x"] } };
    const archive = await dockerArchive(image);
    for (const bytes of [archive, gzipSync(archive), zstdCompressSync(archive)]) {
      expect(await engine.load(bytes)).toEqual(["Loaded image: team/app:1\n"]);
    }
    const found = engine.images.inspect("team/app:1");
    expect(found).toMatchObject({
      Id: configOf(image).id,
      Size: 8,
      Config: { Cmd: ["x"] },
      RepoTags: ["team/app:1"],
    });
    const { chainId } = await engine.images.resolve("team/app:1");
    const [topFolder = "", baseFolder = ""] = engine.snapshotter.view(chainId ?? "").lower;
    expect(readFileSync(join(topFolder, "etc/top"), "utf8")).toBe("top!");
    expect(readFileSync(join(baseFolder, "etc/base"), "utf8")).toBe("base");
    expect(engine.published).toEqual(["load", "load", "load"]);
  });

  test("says the id of an image without a name", async () => {
    const image = { layers: [await base()], names: [] };
    expect(await engine.load(await dockerArchive(image))).toEqual([
      `Loaded image ID: ${configOf(image).id}\n`,
    ]);
  });

  test("takes several images and shares their layers", async () => {
    const shared = await base();
    const one = { layers: [shared], names: ["one:1", "one:2"] };
    const two = { layers: [shared, await top()], names: ["two:1"] };
    const lines = await engine.load(await dockerArchive(one, two));
    expect(lines).toEqual(["Loaded image: one:1\n", "Loaded image: one:2\n", "Loaded image: two:1\n"]);
    expect(engine.snapshotter.listLayers().length).toBe(2);
    expect(engine.trace().snapshots).toBe(2);
  });

  test("takes a name from the image that had it, and says so", async () => {
    const old = { layers: [await base()], names: ["app:1"] };
    await engine.load(await dockerArchive(old));
    const lines = await engine.load(await dockerArchive({ layers: [await top()], names: ["app:1"] }));
    expect(lines[0]).toBe(
      `The image app:1 already exists, renaming the old one with ID ${configOf(old).id} to empty string\n`,
    );
    expect(engine.images.inspect(configOf(old).id).RepoTags).toEqual([]);
  });

  test("follows links to layers that an archive has once", async () => {
    const layer = await base();
    const { text, id } = configOf({ layers: [layer, layer], names: [] });
    const manifest = [{ Config: "c.json", RepoTags: ["twice:1"], Layers: ["a/layer.tar", "b/layer.tar"] }];
    const archive = await tarOf(
      textFile("manifest.json", JSON.stringify(manifest)),
      textFile("a/layer.tar", layer),
      { type: "symlink", path: "b/layer.tar", to: "../a/layer.tar" },
      textFile("c.json", text),
    );
    expect(await engine.load(archive)).toEqual(["Loaded image: twice:1\n"]);
    expect(engine.images.inspect("twice:1").Id).toBe(id);
  });

  test("takes this machine's image out of a multi-platform OCI archive", async () => {
    const { archive, id } = await ociArchive();
    expect(await engine.load(archive)).toEqual(["Loaded image: example.com/team/app:v1\n"]);
    expect(engine.images.inspect("example.com/team/app:v1").Id).toBe(id);
  });

  test("of one image many times at once gives one image", async () => {
    const archive = await dockerArchive({ layers: [await base(), await top()], names: ["app:1"] });
    await Promise.all(Array.from({ length: 5 }, () => engine.load(archive)));
    expect(engine.trace()).toEqual({ blobs: 4, ingests: 0, snapshots: 2, images: 1 });
  });

  test("of an image while it is removed leaves a whole image or none", async () => {
    const archive = await dockerArchive({ layers: [await base(), await top()], names: ["app:1"] });
    await engine.load(archive);
    for (let round = 0; round < 10; round++) {
      const removing = engine.images.remove("app:1", { force: false, noPrune: false });
      await Promise.all([engine.load(archive), removing]);
      const saved = await engine.save("app:1");
      expect(saved.length).toBeGreaterThan(archive.length);
      const { chainId } = await engine.images.resolve("app:1");
      for (const folder of engine.snapshotter.view(chainId ?? "").lower)
        expect(existsSync(join(folder, "etc"))).toBe(true);
    }
  });
});

/** The files of an archive, to be put into another one. */
async function membersOf(archive: Buffer): Promise<TarMember[]> {
  const members: TarMember[] = [];
  for await (const entry of readTarEntries(Readable.from([archive])))
    members.push(textFile(entry.path, Buffer.concat(await Array.fromAsync(entry.chunks()))));
  return members;
}

describe("layers that are unpacked as they arrive", () => {
  const LAYER_SIZED = 2048;

  test("do no harm when they are none, or no image has them", async () => {
    const image = { layers: [await base(), await top()], names: ["app:1"] };
    const cut = (await tarOf(textFile("long", "x".repeat(9000)))).subarray(0, 4096);
    const archive = await tarOf(
      textFile("cut.tar", cut),
      textFile("stray/layer.tar", await tarOf(textFile("stray", "nobody's"))),
      ...(await membersOf(await dockerArchive(image))),
    );
    expect(await engine.load(archive)).toEqual(["Loaded image: app:1\n"]);
    expect(engine.trace()).toMatchObject({ ingests: 0, snapshots: 2, images: 1 });
  });

  test("are not unpacked again when a layer of as many bytes is here, and still loaded when they are others", async () => {
    const padded = async (text: string) => {
      const tar = await tarOf({ type: "directory", path: "etc" }, textFile("etc/base", text));
      return Buffer.concat([tar, Buffer.alloc(LAYER_SIZED * 4 - tar.length)]);
    };
    await engine.load(await dockerArchive({ layers: [await padded("first")], names: ["first:1"] }));
    await engine.load(await dockerArchive({ layers: [await padded("other")], names: ["other:1"] }));
    const { RootFS } = engine.images.inspect("other:1");
    const place = engine.snapshotter.findLayer(RootFS.Layers?.[0] ?? "")?.folder ?? "";
    expect(readFileSync(join(place, "etc/base"), "utf8")).toBe("other");
  });
});

describe("a bad archive leaves no trace", () => {
  const refused = async (archive: Uint8Array, words: string) => {
    await expect(engine.load(archive)).rejects.toThrow(words);
    expect(engine.trace()).toEqual(EMPTY);
  };

  test("when a layer is not what the config states", async () => {
    const image = { layers: [await base(), await top()], names: ["app:1"] };
    const wrong = { ...image, diffIds: [digestOf(image.layers[0] ?? ""), digestOf("other")] };
    await refused(await dockerArchive(wrong), "layers from manifest don't match image configuration");
  });

  test("when layers are missing or too many", async () => {
    const layers = [await base()];
    await refused(
      await dockerArchive({ layers, names: [], diffIds: [] }),
      "layers length mismatch: expected 0, got 1",
    );
    const manifest = [{ Config: "c", RepoTags: [], Layers: ["nope/layer.tar"] }];
    const archive = await tarOf(textFile("c", "{}"), textFile("manifest.json", JSON.stringify(manifest)));
    await refused(archive, "nope/layer.tar is missing");
  });

  test("when the second image is bad, of the first as well", async () => {
    const good = { layers: [await base()], names: ["good:1"] };
    const bad = { layers: [await top()], names: ["bad:1"], diffIds: [digestOf("x")] };
    await refused(await dockerArchive(good, bad), "don't match");
  });

  test("when it is cut short, anywhere", async () => {
    const archive = await dockerArchive({ layers: [await base()], names: ["app:1"] });
    for (const length of [300, 600, 1500, 4096, archive.length - 2000]) {
      await expect(engine.load(archive.subarray(0, length))).rejects.toThrow();
      expect(engine.trace()).toEqual(EMPTY);
    }
    await expect(engine.load(gzipSync(archive).subarray(0, 300))).rejects.toThrow();
    expect(engine.trace()).toEqual(EMPTY);
  });

  test("when a blob is not what its name says", async () => {
    const { archive } = await ociArchive({ layerBytes: gzipSync(Buffer.from("evil")) });
    await refused(archive, "content does not match its digest");
  });

  test("when a layer is hostile", async () => {
    const hostile = await tarOf(textFile("fine", "x"), textFile("../../escape", "x"));
    await refused(
      await dockerArchive({ layers: [await base(), hostile], names: ["app:1"] }),
      "leads out of the layer",
    );
  });

  test("when a layer unpacks out of all proportion", async () => {
    const bomb = bombOf(await base());
    const image = { layers: [bomb], names: ["app:1"], diffIds: [digestOf("never")] };
    await refused(await dockerArchive(image), "unpacks to over 1073741824 bytes");
  });

  test("when names in it lead outside or documents are absurd", async () => {
    await refused(await tarOf(textFile("../manifest.json", "[]")), "leads out of it");
    await refused(
      await tarOf({ type: "symlink", path: "manifest.json", to: "../../etc/passwd" }),
      "leads out of it",
    );
    await refused(await tarOf(textFile("manifest.json", "[".repeat(9 << 20))), "over");
    await refused(await tarOf(textFile("manifest.json", "{")), "invalid manifest.json");
    await refused(await tarOf(textFile("manifest.json", '[{"Config":7}]')), "invalid manifest.json");
    const loop = await tarOf(
      { type: "symlink", path: "manifest.json", to: "other" },
      { type: "symlink", path: "other", to: "manifest.json" },
    );
    await refused(loop, "too many links");
  });

  test("when it is no archive of images at all", async () => {
    await refused(new Uint8Array(0), "neither manifest.json nor index.json");
    await refused(Buffer.alloc(5000, "text "), "invalid tar header");
    await refused(await tarOf(textFile("etc/passwd", "root")), "neither manifest.json nor index.json");
    await refused(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]), "compressed with xz");
  });

  test("when its index points to itself, to nothing, or to another platform", async () => {
    const manifests = (...list: object[]) => ociArchive({ index: { schemaVersion: 2, manifests: list } });
    const missing = {
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      digest: digestOf("none"),
      size: 4,
    };
    await refused((await manifests(missing)).archive, "is missing");
    await refused((await manifests()).archive, "no image for linux/amd64");
    const arm = { ...missing, platform: { os: "linux", architecture: "arm64" } };
    await refused((await manifests(arm)).archive, "no image for linux/amd64");
    await refused((await manifests({ ...missing, digest: "sha256:../../x" })).archive, "invalid digest");
  });

  test("when a layer is encrypted or of another kind", async () => {
    const { archive } = await ociArchive({
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
    });
    await refused(archive, "cannot be loaded");
  });

  test("when loading is aborted", async () => {
    const abort = new AbortController();
    const archive = await dockerArchive({ layers: [await base()], names: ["app:1"] });
    const endless = new Readable({ read() {} });
    endless.push(archive.subarray(0, 1000));
    const loading = texts(engine.images.load(endless, abort.signal));
    setImmediate(() => abort.abort());
    await expect(loading).rejects.toThrow("cancelled");
    expect(engine.trace()).toEqual(EMPTY);
    expect(never.aborted).toBe(false);
  });
});

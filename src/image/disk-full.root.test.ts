import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { FaultyRegistry } from "../../test/registry/faulty-registry.ts";
import { digestOf } from "../content/index.ts";
import { dockerArchive, never, openTestEngine, tarOf, textFile } from "./testing.ts";

/** A file system of its own on a loop device, as small as wanted. */
function smallDisk(sizeMiB: number) {
  const folder = mkdtempSync(join(tmpdir(), "gantry-disk-"));
  const [file, place] = [join(folder, "disk"), join(folder, "mnt")];
  mkdirSync(place);
  execFileSync("truncate", ["-s", `${sizeMiB}M`, file]);
  execFileSync("mkfs.ext4", ["-q", "-m", "0", file]);
  execFileSync("mount", ["-o", "loop", file, place]);
  return {
    place,
    [Symbol.dispose]() {
      execFileSync("umount", [place]);
      rmSync(folder, { recursive: true });
    },
  };
}

const EMPTY = { blobs: 0, ingests: 0, snapshots: 0, images: 0 };
const tarWith = (bytes: number) => tarOf(textFile("data", randomBytes(bytes)));

test("a disk that becomes full fails a load in words, keeps nothing of it, and the next one works", async () => {
  using disk = smallDisk(24);
  using engine = await openTestEngine({}, disk.place);
  // Blobs fill it, or the files that they become.
  for (const layers of [[await tarWith(30 << 20)], [await tarWith(1 << 20), await tarWith(13 << 20)]]) {
    const archive = await dockerArchive({ layers, names: ["large:1"] });
    await expect(engine.load(archive)).rejects.toThrow(/no space left on device/i);
    expect(engine.trace()).toEqual(EMPTY);
  }
  await engine.load(await dockerArchive({ layers: [await tarWith(1 << 20)], names: ["small:1"] }));
  expect(engine.trace()).toEqual({ blobs: 3, ingests: 0, snapshots: 1, images: 1 });
});

test("and an import", async () => {
  using disk = smallDisk(24);
  using engine = await openTestEngine({}, disk.place);
  const wanted = { repository: "app", tag: "1", message: "", changes: [] };
  const bring = async (bytes: number) =>
    Array.fromAsync(engine.images.import(Readable.from([await tarWith(bytes)]), wanted, never));
  await expect(bring(16 << 20)).rejects.toThrow(/no space left on device/i);
  expect(engine.trace()).toEqual(EMPTY);
  await bring(1 << 20);
  expect(engine.trace()).toEqual({ blobs: 3, ingests: 0, snapshots: 1, images: 1 });
});

test("a disk that becomes full fails the pull in words, keeps nothing of it, and the next pull works", async () => {
  using disk = smallDisk(24);
  await using registry = await FaultyRegistry.start();
  using engine = await openTestEngine({}, disk.place);
  const layerOf = async (bytes: number) => {
    const tar = await tarWith(bytes);
    return { bytes: gzipSync(tar), diffId: digestOf(tar) };
  };
  registry.addImage("app", "large", [await layerOf(1 << 20), await layerOf(14 << 20)]);
  registry.addImage("app", "small", [await layerOf(1 << 20)]);
  const pull = (tag: string) => Array.fromAsync(engine.images.pull(`${registry.host}/app:${tag}`, {}, never));
  await expect(pull("large")).rejects.toThrow(/no space left on device/i);
  expect(engine.trace()).toEqual(EMPTY);
  await pull("small");
  expect(engine.trace()).toEqual({ blobs: 3, ingests: 0, snapshots: 1, images: 1 });
});

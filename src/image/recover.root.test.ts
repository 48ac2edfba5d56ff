import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { configOf, dockerArchive, openTestEngine, tarOf, textFile } from "./testing.ts";

let engine: Awaited<ReturnType<typeof openTestEngine>>;
beforeEach(async () => {
  engine = await openTestEngine();
});
afterEach(() => engine[Symbol.dispose]());

const layer = () => tarOf({ type: "directory", path: "etc" }, textFile("etc/base", "base of all"));

/** The image's id, as if it had come in just before the machine lost its power. */
async function loadBefore(): Promise<string> {
  const image = { layers: [await layer()], names: ["torn:1"] };
  await engine.load(await dockerArchive(image));
  const { id } = configOf(image);
  engine.store.database.prepare("DELETE FROM image_unsettled").run();
  engine.store.database
    .prepare("INSERT INTO image_unsettled (image_id, boot_id) VALUES (?, 'an earlier boot')")
    .run(id);
  return id;
}

const unsettled = () => engine.store.database.prepare("SELECT boot_id FROM image_unsettled").all().length;
const blobs = () => join(engine.root, "content/blobs/sha256");
const unpackedFile = () => {
  const [number = ""] = readdirSync(join(engine.root, "snapshots"));
  return join(engine.root, "snapshots", number, "fs/etc/base");
};

test("an image is noted until the disk has it", async () => {
  await engine.load(await dockerArchive({ layers: [await layer()], names: ["fresh:1"] }));
  // The sync goes on behind the load, which does not wait for it.
  while (unsettled() > 0) await nextTurn();
  expect(await engine.images.recover()).toEqual([]);
  expect(engine.images.inspect("fresh:1").RepoTags).toEqual(["fresh:1"]);
});

test("after a failure of power the files of its layers are made whole again", async () => {
  await loadBefore();
  truncateSync(unpackedFile(), 4);
  expect(await engine.images.recover()).toEqual([]);
  expect(readFileSync(unpackedFile(), "utf8")).toBe("base of all");
  while (unsettled() > 0) await nextTurn();
});

test("an image with a torn blob goes, and can be loaded again", async () => {
  const id = await loadBefore();
  for (const name of readdirSync(blobs())) truncateSync(join(blobs(), name), 3);
  const [sentence] = await engine.images.recover();
  expect(sentence).toMatch(
    /^the image torn:1 was torn when the machine stopped \(the blob sha256:\w+ has other bytes\); it was removed/,
  );
  await engine.images.collectGarbage();
  expect(engine.trace()).toEqual({ blobs: 0, ingests: 0, snapshots: 0, images: 0 });
  expect(await loadBefore()).toBe(id);
  expect(readFileSync(unpackedFile(), "utf8")).toBe("base of all");
});

test("one whose layers cannot be unpacked now stays, and is tried again at the next start", async () => {
  await loadBefore();
  const place = unpackedFile();
  rmSync(place);
  mkdirSync(join(place, "in-the-way"), { recursive: true });
  const folder = dirname(place);
  expect(spawnSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", folder]).status).toBe(0);
  try {
    expect(await engine.images.recover()).toEqual([
      expect.stringContaining("the image torn:1 could not be checked after the machine stopped"),
    ]);
  } finally {
    spawnSync("umount", [folder]);
  }
  expect(unsettled()).toBe(1);
  expect(await engine.images.recover()).toEqual([]);
  expect(readFileSync(place, "utf8")).toBe("base of all");
});

test("one that a container is made of stays, and that is said", async () => {
  const id = await loadBefore();
  engine.uses.set(id, [{ containerId: "c".repeat(64), running: false }]);
  writeFileSync(join(blobs(), id.slice("sha256:".length)), "torn");
  expect(await engine.images.recover()).toEqual([
    expect.stringContaining("its containers may miss files: pull or load it again"),
  ]);
  expect(engine.images.findById(id)).toBeDefined();
});

test("a whole blob that an interrupted pull left is only trusted when its bytes are right", async () => {
  const [sound, torn] = [
    await engine.content.put(Buffer.from("sound")),
    await engine.content.put(Buffer.from("whole")),
  ];
  truncateSync(torn.path, 2);
  const want = engine.store.database.prepare("INSERT INTO blob_wanted (digest, since_ms) VALUES (?, 1)");
  for (const { digest } of [sound, torn]) want.run(digest);
  await engine.images.recover();
  expect(await engine.content.find(sound.digest)).toBeDefined();
  expect(await engine.content.find(torn.digest)).toBeUndefined();
});

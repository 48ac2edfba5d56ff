import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packLayer } from "../archive/index.ts";
import { sourceTreeShimPath } from "../platform/index.ts";
import { copyIntoTree, digestFiles, listTree, readTreeFiles, type TreeChange } from "./index.ts";

const shim = sourceTreeShimPath();
const never = new AbortController().signal;
const entry = { mode: 0o644, uid: 1, gid: 2, mtime: ["1000", "0"] as const };
let root = "";
let count = 0;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "gantry-tree-"));
});
afterAll(() => rmSync(root, { recursive: true }));

/** Two layers with a link that leads to the root of whoever follows it by string. */
function layers() {
  const place = join(root, String(++count));
  for (const folder of ["low/usr/lib", "low/etc", "top/etc", "up", "work", "src/d"])
    mkdirSync(join(place, folder), { recursive: true });
  symlinkSync("/usr/lib", join(place, "low/lib"));
  symlinkSync("../../../../../../../..", join(place, "low/out"));
  writeFileSync(join(place, "low/etc/name"), "low");
  writeFileSync(join(place, "top/etc/name"), "top");
  writeFileSync(join(place, "src/f"), "content");
  writeFileSync(join(place, "src/d/g"), "deep");
  const lower = [join(place, "top"), join(place, "low")];
  const tree = { lower, upper: join(place, "up"), work: join(place, "work") };
  const copy = (...changes: TreeChange[]) =>
    copyIntoTree(shim, { source: { lower: [join(place, "src")] }, tree, changes }, never);
  return { lower, up: (path: string) => join(place, "up", path), copy, src: join(place, "src") };
}

describe("a tree of layers", () => {
  test("is listed as a container would see it, links followed within it", async () => {
    const { lower } = layers();
    const [all, lib, none, out] = await listTree(shim, { lower }, ["/", "lib/", "nope/x", "out/etc"], never);
    expect(all?.entries.map(({ path }) => path)).toEqual([
      "",
      "etc",
      "etc/name",
      "lib",
      "out",
      "usr",
      "usr/lib",
    ]);
    expect(all?.entries[2]?.sizeBytes).toBe(3);
    expect(lib).toMatchObject({ base: "usr/lib", entries: [{ type: "directory" }] });
    expect(none).toEqual({ base: "nope/x", entries: [] });
    expect(out?.base).toBe("etc");
  });

  test("gives contents and digests; names may be any bytes", async () => {
    const { lower, src } = layers();
    writeFileSync(Buffer.concat([Buffer.from(`${src}/`), Buffer.from([0xff])]), "x");
    const texts = await readTreeFiles(shim, { lower }, ["etc/name", "/absent", "out/etc/name"], never);
    expect(texts.map((text) => text?.toString())).toEqual(["top", undefined, "top"]);
    const [first, second] = await digestFiles(shim, { lower: [src] }, ["f", "\xff"], never);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(second).toMatch(/^[0-9a-f]{64}$/);
  });

  test("takes files with owner, mode and time, following the links of its own root", async () => {
    const { copy, up } = layers();
    await copy(
      { kind: "target", path: "/lib/new", name: "" },
      { kind: "directory", path: "", entry: { ...entry, mode: 0o750 }, keep: false },
      { kind: "file", source: "f", path: "f", entry },
      { kind: "hardlink", path: "again", earlier: "f" },
      { kind: "symlink", path: "l", link: "/etc/passwd", entry },
      { kind: "special", path: "p", type: "p", device: "0:0", entry },
    );
    expect(readFileSync(up("usr/lib/new/f"), "utf8")).toBe("content");
    expect(lstatSync(up("usr/lib/new/f"))).toMatchObject({ uid: 1, gid: 2, nlink: 2 });
    expect(lstatSync(up("usr/lib/new")).mode & 0o7777).toBe(0o750);
    expect(lstatSync(up("usr/lib/new")).mtimeMs).toBe(1_000_000);
    expect(readlinkSync(up("usr/lib/new/l"))).toBe("/etc/passwd");
    expect(lstatSync(up("usr/lib/new/p")).isFIFO()).toBe(true);
  });

  test("puts the name behind a target that is a folder", async () => {
    const { copy, up } = layers();
    const file = { kind: "file", source: "f", path: "", entry } as const;
    await copy(
      { kind: "target", path: "/etc", name: "f" },
      file,
      { kind: "target", path: "/etc2", name: "f" },
      file,
    );
    expect(readFileSync(up("etc/f"), "utf8")).toBe("content");
    expect(readFileSync(up("etc2"), "utf8")).toBe("content");
  });

  test("refuses a file over a folder and a folder over a file", async () => {
    const { copy } = layers();
    await expect(
      copy({ kind: "target", path: "/etc", name: "" }, { kind: "file", source: "f", path: "", entry }),
    ).rejects.toMatchObject({ kind: "invalid", message: "cannot copy file over the directory /etc" });
    await expect(
      copy(
        { kind: "target", path: "/etc/name", name: "" },
        { kind: "directory", path: "", entry, keep: false },
      ),
    ).rejects.toThrow("cannot copy to non-directory: /etc/name");
  });

  test("unpacks an archive in it without following links or reading whiteouts", async () => {
    const { copy, up, src } = layers();
    writeFileSync(join(src, "d/.wh.x"), "plain");
    execFileSync("tar", ["-cf", join(src, "a.tar"), "-C", src, "d"]);
    await copy({ kind: "target", path: "/lib", name: "" }, { kind: "unpack", source: "a.tar", path: "" });
    expect(readFileSync(up("usr/lib/d/.wh.x"), "utf8")).toBe("plain");
  });
});

test("packing with a latest time changes folder and tar alike, and gives the same digest for the same files", async () => {
  const place = join(root, "pack");
  const make = (name: string) => {
    mkdirSync(join(place, name, "d"), { recursive: true });
    writeFileSync(join(place, name, "d/f"), "x");
    return join(place, name);
  };
  const [a, b] = [make("a"), make("b")];
  const packed = await packLayer({ shim, folder: a, latestSeconds: 5, tarPath: join(place, "t") }, never);
  expect(await packLayer({ shim, folder: b, latestSeconds: 5 }, never)).toEqual(packed);
  expect(lstatSync(join(a, "d/f")).mtimeMs).toBe(5000);
  expect(packed).toMatchObject({ fileBytes: 1, entries: 3, tarBytes: lstatSync(join(place, "t")).size });
});

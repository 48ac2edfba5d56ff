import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { sourceTreeShimPath } from "../platform/index.ts";
import { TAR_BLOCK } from "./tar-header.ts";
import { type Member, pax, tar } from "./testing.ts";
import { unpackLayer } from "./unpack.ts";

const shim = sourceTreeShimPath();
const signal = new AbortController().signal;
let base = "";
let folder = "";

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "gantry-unpack-"));
  folder = join(base, "layer");
  mkdirSync(folder);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function unpack(bytes: Uint8Array, lower: readonly string[] | "unknown" = []) {
  return unpackLayer({ shim, layer: { stream: Readable.from([bytes]) }, folder, lower }, signal);
}

function listing(path: string): string {
  const format = "%P|%y|%m|%U|%G|%s|%T@|%l|%n\n";
  // A folder's size is its file system's business.
  return execFileSync("find", [path, "-printf", format], { encoding: "latin1" })
    .split("\n")
    .map((line) => line.replace(/^(.*\|d\|.*\|.*\|.*\|)\d+\|/, "$1|").replace(/^(.*\|d\|.*\|)\d+$/, "$1"))
    .sort()
    .join("\n");
}

function pack(path: string): Buffer {
  return execFileSync(shim, ["pack", path], { maxBuffer: 1 << 28 });
}

/** One of everything that a root file system may hold. */
function makeEverything(): string {
  const path = join(base, "everything");
  mkdirSync(join(path, "deep/er"), { recursive: true });
  writeFileSync(join(path, "file"), "content");
  writeFileSync(join(path, "setuid"), "s");
  execFileSync("chown", ["12:34567", join(path, "setuid")]);
  chmodSync(join(path, "setuid"), 0o6755);
  mkdirSync(join(path, "sticky"), { mode: 0o777 });
  chmodSync(join(path, "sticky"), 0o1777);
  linkSync(join(path, "file"), join(path, "deep/er/hard"));
  symlinkSync("../file", join(path, "deep/symlink"));
  symlinkSync("/nowhere/at/all", join(path, "broken"));
  writeFileSync(join(path, "größe-文件"), "names are bytes");
  writeFileSync(Buffer.concat([Buffer.from(`${path}/latin1-`), Buffer.from([0xe9])]), "not UTF-8");
  writeFileSync(join(path, "n".repeat(250)), "long");
  execFileSync("mknod", [join(path, "null"), "c", "1", "3"]);
  execFileSync("mknod", [join(path, "disk"), "b", "8", "300"]);
  execFileSync("mkfifo", [join(path, "fifo")]);
  writeFileSync(join(path, "sparse"), "start");
  truncateSync(join(path, "sparse"), 32 << 20);
  writeFileSync(join(path, "vast"), "start");
  truncateSync(join(path, "vast"), 3 * 2 ** 30);
  execFileSync("dd", [
    "if=/dev/urandom",
    `of=${path}/sparse`,
    "bs=4096",
    "seek=5000",
    "count=3",
    "conv=notrunc",
    "status=none",
  ]);
  writeFileSync(join(path, "capable"), "c");
  execFileSync("python3", ["-c", SET_XATTRS, join(path, "capable"), join(path, "deep")]);
  utimesSync(join(path, "file"), 1.5, 123456789.123456);
  utimesSync(join(path, "deep"), 1, 1000000000.25);
  return path;
}

const SET_XATTRS = `
import os, sys
os.setxattr(sys.argv[1], "user.note", b"a\\0b\\n=")
os.setxattr(sys.argv[1], "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
os.setxattr(sys.argv[2], "trusted.mark", b"kept")
`;

function xattrs(path: string): string {
  const script =
    "import os,sys\nfor n in sorted(os.listxattr(sys.argv[1],follow_symlinks=False)): print(n, os.getxattr(sys.argv[1],n,follow_symlinks=False))";
  return execFileSync("python3", ["-c", script, path], { encoding: "utf8" });
}

describe("a layer keeps everything", () => {
  for (const format of ["pax", "gnu"] as const) {
    test(`of a tree that GNU tar wrote in its ${format} format`, async () => {
      const source = makeEverything();
      const xattrFlags = format === "pax" ? ["--xattrs", "--xattrs-include=*"] : [];
      const flags = [`--format=${format}`, "--numeric-owner", "-S", ...xattrFlags];
      const bytes = execFileSync("tar", [...flags, "-C", source, "-c", "."], { maxBuffer: 1 << 28 });
      const result = await unpack(bytes);
      const seconds = (text: string) => (format === "gnu" ? text.replace(/\.\d+\|/g, "|") : text);
      expect(seconds(listing(folder))).toBe(seconds(listing(source)));
      expect(result).toMatchObject({
        diffId: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
        tarBytes: bytes.length,
      });
      expect(readFileSync(join(folder, "sparse"))).toEqual(readFileSync(join(source, "sparse")));
      expect(statSync(join(folder, "sparse")).blocks).toBe(statSync(join(source, "sparse")).blocks);
      expect(lstatSync(join(folder, "disk")).rdev).toBe(lstatSync(join(source, "disk")).rdev);
      if (format === "pax") {
        expect(xattrs(join(folder, "capable"))).toBe(xattrs(join(source, "capable")));
        expect(xattrs(join(folder, "deep"))).toContain("trusted.mark b'kept'");
      }
    });
  }

  test("when it is packed and unpacked again, and GNU tar reads the pack", async () => {
    const source = makeEverything();
    const packed = pack(source);
    // Of the one sparse file the holes are in it, of the other they are noted.
    expect(packed.length).toBeWithin(32 << 20, 48 << 20);
    await unpack(packed);
    expect(listing(folder)).toBe(listing(source));
    for (const name of ["sparse", "vast"])
      expect(statSync(join(folder, name)).blocks * 512).toBeLessThan(2 << 20);
    expect(pack(folder).equals(packed)).toBe(true);
    const byTar = join(base, "by-tar");
    mkdirSync(byTar);
    execFileSync("tar", ["--xattrs", "--xattrs-include=*", "-C", byTar, "-xp"], { input: packed });
    expect(listing(byTar)).toBe(listing(source));
    expect(xattrs(join(byTar, "capable"))).toBe(xattrs(join(source, "capable")));
  });

  test("whether it is plain, gzip, zstd, xz or bzip2; the diffID is that of the plain tar", async () => {
    const plain = tar({ name: "f", data: "x".repeat(5000) });
    const diffId = `sha256:${createHash("sha256").update(plain).digest("hex")}` as const;
    const xz = execFileSync("xz", ["-c"], { input: plain });
    const bzip2 = execFileSync("bzip2", ["-c"], { input: plain });
    for (const bytes of [plain, gzipSync(plain), zstdCompressSync(plain), xz, bzip2]) {
      expect(await unpack(bytes)).toMatchObject({
        diffId,
        tarBytes: plain.length,
        fileBytes: 5000,
        entries: 1,
      });
      expect(readFileSync(join(folder, "f"), "latin1")).toBe("x".repeat(5000));
    }
  });

  test("and its padding counts for the digest", async () => {
    const bytes = Buffer.concat([tar({ name: "f", data: "x" }), Buffer.alloc(20 * TAR_BLOCK)]);
    const diffId = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as const;
    expect(await unpack(bytes)).toMatchObject({ diffId, tarBytes: bytes.length });
  });

  test("an empty stream is a layer without entries", async () => {
    expect(await unpack(new Uint8Array(0))).toMatchObject({ entries: 0, tarBytes: 0 });
  });
});

describe("whiteouts", () => {
  const isWhiteout = (name: string) => {
    const status = lstatSync(join(folder, name));
    return status.isCharacterDevice() && status.rdev === 0;
  };

  test("become what overlayfs hides with, and are packed back", async () => {
    const bytes = tar(
      { name: "./", type: "5" },
      { name: "gone/", type: "5" },
      { name: "gone/.wh.file" },
      { name: "new/", type: "5" },
      { name: "new/.wh..wh..opq" },
    );
    await unpack(bytes);
    expect(isWhiteout("gone/file")).toBe(true);
    expect(xattrs(join(folder, "new"))).toContain("trusted.overlay.opaque b'y'");
    expect(readdirSync(join(folder, "new"))).toEqual([]);
    const names = execFileSync("tar", ["-t"], { input: pack(folder), encoding: "utf8" });
    expect(names.split("\n")).toEqual(["./", "gone/", "gone/.wh.file", "new/", "new/.wh..wh..opq", ""]);
  });

  test("do not hide what the same layer brings, in either order", async () => {
    await unpack(
      tar({ name: "a", data: "1" }, { name: ".wh.a" }, { name: ".wh.b" }, { name: "b", data: "2" }),
    );
    expect(readFileSync(join(folder, "a"), "utf8")).toBe("1");
    expect(readFileSync(join(folder, "b"), "utf8")).toBe("2");
  });

  test("of a folder that the same layer makes anew hide only what lies below", async () => {
    await unpack(
      tar({ name: "a/", type: "5" }, { name: ".wh.a" }, { name: ".wh.b" }, { name: "b/f", data: "" }),
    );
    expect(xattrs(join(folder, "a"))).toContain("trusted.overlay.opaque");
    expect(xattrs(join(folder, "b"))).toContain("trusted.overlay.opaque");
    expect(existsSync(join(folder, "b/f"))).toBe(true);
  });

  test("cannot be made by attributes: a layer's own overlay attributes are dropped", async () => {
    await unpack(tar(pax({ "SCHILY.xattr.trusted.overlay.redirect": "/etc" }), { name: "d/", type: "5" }));
    expect(xattrs(join(folder, "d"))).toBe("");
  });
});

describe("parents that the layer does not bring", () => {
  test("look like those of the topmost layer below", async () => {
    const lower = join(base, "lower");
    mkdirSync(join(lower, "tmp"), { recursive: true });
    chmodSync(join(lower, "tmp"), 0o1777);
    execFileSync("chown", ["7:8", join(lower, "tmp")]);
    await unpack(tar({ name: "tmp/new/file", data: "" }), [lower]);
    const status = statSync(join(folder, "tmp"));
    expect([status.mode & 0o7777, status.uid, status.gid]).toEqual([0o1777, 7, 8]);
    expect(statSync(join(folder, "tmp/new")).mode & 0o7777).toBe(0o755);
  });

  test("end the work when the layers below are not known yet", async () => {
    expect(await unpack(tar({ name: "tmp/file" }), "unknown")).toBe("needs-parents");
    expect(await unpack(tar({ name: "tmp/", type: "5" }, { name: "tmp/file" }), "unknown")).toMatchObject({
      entries: 2,
    });
  });
});

describe("an entry that comes twice", () => {
  const onlyX = (path: string) =>
    listing(path)
      .split("\n")
      .filter((line) => line.startsWith("x"));

  test("replaces the first, whatever both are", async () => {
    const kinds: Member[] = [
      { name: "x", data: "file" },
      { name: "x/", type: "5" },
      { name: "x", type: "2", linkName: "target" },
      { name: "x", type: "6" },
    ];
    for (const first of kinds) {
      for (const second of kinds) {
        rmSync(folder, { recursive: true });
        mkdirSync(folder);
        const inside = first.type === "5" ? [{ name: "x/a/b/c", data: "deep" }] : [];
        await unpack(tar(first, ...inside, second));
        const byItself = join(base, "single");
        rmSync(byItself, { recursive: true, force: true });
        mkdirSync(byItself);
        const request = {
          shim,
          layer: { stream: Readable.from([tar(second)]) },
          folder: byItself,
          lower: [],
        };
        await unpackLayer(request, signal);
        if (first.type === "5" && second.type === "5") expect(existsSync(join(folder, "x/a/b/c"))).toBe(true);
        else expect(onlyX(folder)).toEqual(onlyX(byItself));
      }
    }
  });
});

test("unpacking ends when it is aborted", async () => {
  const abort = new AbortController();
  const endless = new Readable({ read() {} });
  endless.push(tar({ name: "f", data: "x" }).subarray(0, 700));
  const unpacking = unpackLayer({ shim, layer: { stream: endless }, folder, lower: [] }, abort.signal);
  abort.abort();
  await expect(unpacking).rejects.toThrow("cancelled");
  endless.destroy();
});

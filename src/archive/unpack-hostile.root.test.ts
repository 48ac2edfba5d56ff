import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { sourceTreeShimPath } from "../platform/index.ts";
import { pax, tar } from "./testing.ts";
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

/** linux/magic.h */
const TMPFS_MAGIC = 0x0102_1994;

describe("a hostile layer", () => {
  const outside = () => join(base, "outside");
  const refused = async (bytes: Uint8Array, words: string) => {
    await expect(unpack(bytes)).rejects.toThrow(words);
    expect(readdirSync(base)).toEqual(["layer"]);
  };

  test("cannot leave its folder by dots", async () => {
    await refused(tar({ name: "../outside" }), "leads out of the layer");
    await refused(tar({ name: "a/../../outside" }), "leads out of the layer");
    await refused(tar(pax({ path: "../outside" }), { name: "x" }), "leads out of the layer");
  });

  test("with absolute names stays inside", async () => {
    await unpack(tar({ name: `${outside()}/file`, data: "in" }));
    expect(existsSync(outside())).toBe(false);
    expect(readFileSync(join(folder, outside(), "file"), "utf8")).toBe("in");
  });

  test("cannot write through a symlink", async () => {
    await refused(tar({ name: "l", type: "2", linkName: ".." }, { name: "l/outside" }), "link or no folder");
    await refused(
      tar({ name: "l", type: "2", linkName: base }, { name: "l/outside/", type: "5" }),
      "link or no folder",
    );
    await unpack(tar({ name: "f", type: "2", linkName: outside() }, { name: "f", data: "replaced" }));
    expect(existsSync(outside())).toBe(false);
    expect(lstatSync(join(folder, "f")).isFile()).toBe(true);
  });

  test("cannot link to what is not its own", async () => {
    writeFileSync(join(base, "secret"), "s");
    const link = (linkName: string) => unpack(tar({ name: "h", type: "1", linkName }));
    await expect(link("../secret")).rejects.toThrow("leads out of the layer");
    await expect(link(join(base, "secret"))).rejects.toThrow("not in this layer");
    const throughLink = tar(
      { name: "up", type: "2", linkName: ".." },
      { name: "h", type: "1", linkName: "up/secret" },
    );
    await expect(unpack(throughLink)).rejects.toThrow("link or no folder");
    expect(statSync(join(base, "secret")).nlink).toBe(1);
  });

  test("can link to a link without following it", async () => {
    await unpack(
      tar({ name: "s", type: "2", linkName: "/etc/passwd" }, { name: "h", type: "1", linkName: "s" }),
    );
    expect(readlinkSync(join(folder, "h"))).toBe("/etc/passwd");
  });

  test("cannot use a whiteout to remove or mark something outside", async () => {
    await refused(tar({ name: ".wh..." }), "whiteout without a name");
    await refused(tar({ name: ".wh.." }), "whiteout without a name");
    await refused(
      tar({ name: "l", type: "2", linkName: ".." }, { name: "l/.wh..wh..opq" }),
      "link or no folder",
    );
  });

  test("of absurd sizes is refused", async () => {
    await refused(tar({ name: "f", sizeBytes: 2 ** 50, data: "short" }), "unexpected end");
    await refused(tar(pax({ size: "99999999999999999999" }), { name: "f" }), "malformed extended header");
    await refused(tar(pax({ size: "9223372036854775807" }), { name: "f" }), "absurd size");
    await refused(tar({ name: "x", type: "x", sizeBytes: 2 ** 33 }), "absurd size");
    const sparse = {
      "GNU.sparse.major": "0",
      "GNU.sparse.minor": "1",
      "GNU.sparse.size": "9223372036854775807",
    };
    const holes = tar(pax({ ...sparse, "GNU.sparse.map": "0,1" }), { name: "f", data: "x" });
    // A tmpfs takes holes of any size, and keeps nothing of them.
    if (statfsSync(base).type === TMPFS_MAGIC) await unpack(holes);
    else await refused(holes, "f: ftruncate");
  });

  test("with a wrong sparse map is refused", async () => {
    const sparse = (map: string) =>
      tar(pax({ "GNU.sparse.size": "100", "GNU.sparse.map": map }), { name: "f", data: "x" });
    await refused(sparse("0,2"), "does not fit its data");
    await refused(sparse("100,1"), "out of bounds");
    await refused(sparse("5,1,0,0"), "out of order");
    await refused(sparse("5"), "does not fit its data");
    await refused(sparse("1,x"), "malformed");
  });

  test("nested without end is refused, and deep ones are removed without recursion", async () => {
    await refused(tar(pax({ path: "d/".repeat(2500) }), { name: "d" }), "over 4095 bytes");
    await refused(tar(pax({ path: "n".repeat(256) }), { name: "d" }), "over 255 bytes");
    const deep = pax({ path: `x/${"d/".repeat(2000)}f` });
    await unpack(tar(deep, { name: "x", data: "" }, { name: "x", data: "flat" }));
    expect(readFileSync(join(folder, "x"), "utf8")).toBe("flat");
  });

  test("is named in one printable line", async () => {
    const failed = unpack(tar({ name: "a\u001b[31m\n/../../b" }));
    await expect(failed).rejects.toThrow(
      "failed to unpack layer: a\\x1b[31m\\x0a/../../b: name leads out of the layer (..)",
    );
  });

  test("cut short anywhere is refused", async () => {
    const whole = tar({ name: "f", data: "x".repeat(3000) });
    for (const length of [100, 600, 3000]) await refused(whole.subarray(0, length), "unexpected end");
    await refused(gzipSync(whole).subarray(0, 40), "truncated gzip input");
  });

  test("of random or damaged bytes never crashes the helper", async () => {
    const sound = tar(
      pax({ "SCHILY.xattr.user.a": "b", mtime: "1.5" }),
      { name: "d/", type: "5" },
      { name: "d/f", data: "hello" },
      { name: "l", type: "1", linkName: "d/f" },
    );
    const damage = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const bytes = Buffer.from(sound);
        for (const [at, value] of changes) bytes[at] = value;
        const kind = await unpack(bytes).then(
          () => "ok",
          (error: unknown) => (error instanceof Error && "kind" in error ? error.kind : error),
        );
        expect(["ok", "invalid"]).toContain(String(kind));
        expect(readdirSync(base)).toEqual(["layer"]);
      }),
      { numRuns: 60 },
    );
  });
});

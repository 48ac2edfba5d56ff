import { expect, test } from "bun:test";
import { Readable } from "node:stream";
import fc from "fast-check";
import { ByteSource } from "./byte-source.ts";
import { formatTarHeader, TAR_BLOCK } from "./tar-header.ts";
import { readTar } from "./tar-reader.ts";
import { type TarMember, writeTar } from "./tar-writer.ts";

interface Seen {
  readonly path: string;
  readonly type: string;
  readonly link: string;
  readonly content: string;
}

async function seen(bytes: Uint8Array, chunkBytes = 1000): Promise<Seen[]> {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
  const entries: Seen[] = [];
  for await (const entry of readTar(new ByteSource(Readable.from(chunks)))) {
    const content = Buffer.concat(await Array.fromAsync(entry.chunks())).toString("latin1");
    entries.push({ path: entry.path, type: entry.type, link: entry.linkPath, content });
  }
  return entries;
}

function block(type: string, name: string, sizeBytes: number): Buffer {
  return formatTarHeader({ name, mode: 0o644, uid: 0, gid: 0, sizeBytes, mtime: 0, type, linkName: "" });
}

function padded(text: string): Buffer {
  const bytes = Buffer.alloc(Math.ceil(text.length / TAR_BLOCK) * TAR_BLOCK);
  bytes.write(text, "latin1");
  return bytes;
}

const file = (path: string, content: string): TarMember => ({
  type: "file",
  path,
  sizeBytes: Buffer.byteLength(content),
  async *open() {
    yield Buffer.from(content);
  },
});

test("an archive is read as it was written, in whatever pieces it comes", async () => {
  const name = fc.stringMatching(/^[a-z]{1,90}$/);
  const files = fc.array(fc.tuple(name, fc.stringMatching(/^[ -~]{0,2000}$/)), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(files, fc.integer({ min: 1, max: 3000 }), async (wanted, chunkBytes) => {
      const bytes = Buffer.concat(
        await Array.fromAsync(writeTar(wanted.map(([path, text]) => file(path, text)))),
      );
      const entries = await seen(bytes, chunkBytes);
      expect(entries.map(({ path, content }) => [path, content])).toEqual(wanted);
    }),
    { numRuns: 30 },
  );
});

test("folders, symlinks and hard links are told apart", async () => {
  const members: TarMember[] = [
    { type: "directory", path: "d" },
    { type: "symlink", path: "s", to: "d/f" },
    { type: "hardlink", path: "h", to: "d/f" },
  ];
  const entries = await seen(Buffer.concat(await Array.fromAsync(writeTar(members))));
  expect(entries.map(({ type, path, link }) => [type, path, link])).toEqual([
    ["directory", "d/", ""],
    ["symlink", "s", "d/f"],
    ["hardlink", "h", "d/f"],
  ]);
});

test("GNU long names and pax names replace the short ones", async () => {
  const long = "l".repeat(300);
  const record = `310 path=${long}\n`;
  const bytes = Buffer.concat([
    block("L", "././@LongLink", long.length + 1),
    padded(`${long}\0`),
    block("0", "short", 2),
    padded("hi"),
    block("x", "PaxHeader", record.length),
    padded(record),
    block("0", "short", 2),
    padded("ho"),
  ]);
  expect(await seen(bytes)).toEqual([
    { path: long, type: "file", link: "", content: "hi" },
    { path: long, type: "file", link: "", content: "ho" },
  ]);
});

test("an archive that is cut short is refused, wherever it is cut", async () => {
  const whole = Buffer.concat([block("0", "f", 600), padded("x".repeat(600))]);
  for (const length of [1, 511, 513, 700, 1100]) {
    await expect(seen(whole.subarray(0, length))).rejects.toThrow("unexpected EOF");
  }
});

test("an extended header of absurd size is refused before it is read", async () => {
  await expect(seen(block("x", "PaxHeader", 2 ** 40))).rejects.toThrow("absurd size");
});

test("a malformed pax record is refused", async () => {
  for (const record of ["x", "999 path=a\n", "7 path\n", "9 path=a;", "0 a=b\n", "-1 a=b\n"]) {
    const bytes = Buffer.concat([block("x", "PaxHeader", record.length), padded(record)]);
    await expect(seen(bytes)).rejects.toThrow("malformed extended header");
  }
});

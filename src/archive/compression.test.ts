import { expect, test } from "bun:test";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { decompressed } from "./compression.ts";

const zeros = Buffer.alloc(8 << 20);
const pieces = function* (bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
};
const read = async (bytes: Uint8Array, limit?: (compressedBytes: number) => number) =>
  Buffer.concat(await Array.fromAsync(await decompressed(Readable.from(pieces(bytes)), limit)));

test.each([
  ["gzip", gzipSync],
  ["zstd", zstdCompressSync],
] as const)("%s is decompressed, up to the proportion that is allowed", async (_name, compress) => {
  const compressed = compress(zeros);
  expect((await read(compressed)).length).toBe(zeros.length);
  await expect(read(compressed, (bytes) => bytes * 100)).rejects.toThrow("far more than it has");
  // What is small passes whatever its proportion is.
  expect((await read(compressed, () => zeros.length)).length).toBe(zeros.length);
});

test("what is not compressed passes as it is", async () => {
  expect((await read(zeros, () => 0)).length).toBe(zeros.length);
});

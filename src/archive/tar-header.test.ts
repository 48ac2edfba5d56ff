import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatTarHeader, parseTarHeader, TAR_BLOCK, type TarHeader } from "./tar-header.ts";

const latin1 = fc.string({
  unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 100,
});

const headers: fc.Arbitrary<TarHeader> = fc.record({
  name: latin1.filter((name) => name !== ""),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 2 ** 31 }),
  gid: fc.integer({ min: 0, max: 2 ** 31 }),
  sizeBytes: fc.maxSafeNat(),
  mtime: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  type: fc.constantFrom("0", "1", "2", "5", "x"),
  linkName: latin1,
});

test("a header is read as it was written, whatever its names and numbers", () => {
  fc.assert(
    fc.property(headers, (header) => {
      const block = formatTarHeader(header);
      expect(block.length).toBe(TAR_BLOCK);
      expect(parseTarHeader(block)).toEqual(header);
    }),
  );
});

test("a changed byte of a header is noticed", () => {
  const at = fc.integer({ min: 0, max: TAR_BLOCK - 1 });
  const delta = fc.integer({ min: 1, max: 255 });
  fc.assert(
    fc.property(headers, at, delta, (header, position, change) => {
      const block = formatTarHeader(header);
      block[position] = ((block[position] ?? 0) + change) & 0xff;
      // A changed checksum field may still spell the same number; then nothing else has changed.
      const isChecksum = position >= 148 && position < 156;
      if (isChecksum) return;
      expect(() => parseTarHeader(block)).toThrow("invalid tar header");
    }),
  );
});

test("random bytes are never taken for a header", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: TAR_BLOCK, maxLength: TAR_BLOCK }), (block) => {
      fc.pre(block.some((byte) => byte !== 0));
      expect(() => parseTarHeader(block)).toThrow("invalid tar header");
    }),
  );
});

test("the block that ends an archive is no header", () => {
  expect(parseTarHeader(new Uint8Array(TAR_BLOCK))).toBeUndefined();
});

test("a name that does not fit is refused", () => {
  const header = {
    name: "n".repeat(101),
    mode: 0,
    uid: 0,
    gid: 0,
    sizeBytes: 0,
    mtime: 0,
    type: "0",
    linkName: "",
  };
  expect(() => formatTarHeader(header)).toThrow("name too long");
});

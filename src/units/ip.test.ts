import { expect, test } from "bun:test";
import { isIP } from "node:net";
import fc from "fast-check";
import {
  formatIp,
  formatPrefix,
  ipBytes,
  parseIp,
  parsePrefix,
  prefixContains,
  prefixesOverlap,
  prefixSize,
} from "./ip.ts";

const text = (words: string) => {
  const address = parseIp(words);
  return address === undefined ? undefined : formatIp(address);
};

test("addresses are read and written in their canonical form", () => {
  expect(text("10.0.0.1")).toBe("10.0.0.1");
  expect(text("2001:0db8:0:0:0:0:0:0001")).toBe("2001:db8::1");
  expect(text("::")).toBe("::");
  expect(text("1:0:0:2:0:0:0:3")).toBe("1:0:0:2::3");
  expect(text("::ffff:10.0.0.1")).toBe("::ffff:a00:1");
  for (const wrong of [
    "",
    "10.0.0",
    "10.0.0.256",
    "010.0.0.1",
    "1::2::3",
    "1:2:3:4:5:6:7:8:9",
    "g::",
    ":1",
    "1:",
  ])
    expect(text(wrong)).toBeUndefined();
});

test("what is no address for the system is none here", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.]{0,24}$/)), (words) => {
      expect(parseIp(words) !== undefined).toBe(isIP(words) !== 0);
    }),
  );
});

test("text and number are two forms of one address", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (words) => {
      const address = parseIp(words);
      if (address === undefined) throw new Error(words);
      expect(parseIp(formatIp(address))).toEqual(address);
      expect(BigInt(`0x${ipBytes(address).toString("hex")}`)).toBe(address.value);
    }),
  );
});

test("networks contain, overlap and have a size", () => {
  const net = (words: string) => parsePrefix(words) ?? { family: 4 as const, base: 0n, length: 0 };
  const ip = (words: string) => parseIp(words) ?? { family: 4 as const, value: 0n };
  expect(formatPrefix(net("10.1.2.3/8"))).toBe("10.0.0.0/8");
  expect(prefixContains(net("fd00::/64"), ip("fd00::ffff"))).toBe(true);
  expect(prefixContains(net("0.0.0.0/0"), ip("::1"))).toBe(false);
  expect(prefixesOverlap(net("10.0.0.0/8"), net("10.255.0.0/16"))).toBe(true);
  expect(prefixesOverlap(net("10.0.0.0/9"), net("10.128.0.0/9"))).toBe(false);
  expect(prefixSize(net("::/64"))).toBe(2n ** 64n);
  for (const wrong of ["10.0.0.0", "10.0.0.0/33", "/8", "::/129", "10.0.0.0/x"])
    expect(parsePrefix(wrong)).toBeUndefined();
});

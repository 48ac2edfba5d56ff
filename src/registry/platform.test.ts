import { expect, test } from "bun:test";
import { choosePlatform, formatPlatform, parsePlatform } from "./platform.ts";

const offered = (...names: string[]) =>
  names.map((name) => {
    const [os = "", architecture = "", variant] = name.split("/");
    return { name, platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } };
  });

test.each([
  ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"], "linux/arm/v6"],
  ["linux/arm", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"],
  ["linux/arm/v6", ["linux/arm/v7"], undefined],
  ["arm64", ["linux/arm64/v8"], "linux/arm64/v8"],
  ["linux/arm64/v8", ["linux/arm64"], "linux/arm64"],
  ["linux/amd64", ["unknown/unknown", "linux/amd64"], "linux/amd64"],
  ["linux/amd64", ["linux/amd64/v2"], undefined],
  ["linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64/v2"],
  ["x86_64", ["linux/amd64"], "linux/amd64"],
  ["linux/s390x", ["linux/amd64"], undefined],
])("%s takes of %p %p", (wanted, names, chosen) => {
  expect(choosePlatform(offered(...names), parsePlatform(wanted))?.name).toBe(chosen);
});

test("platforms are printed with the variant that they mean", () => {
  expect(formatPlatform(parsePlatform("aarch64"))).toBe("linux/arm64/v8");
  expect(formatPlatform(parsePlatform("linux/arm/7"))).toBe("linux/arm/v7");
  expect(() => parsePlatform("linux/am d64")).toThrow("invalid component");
});

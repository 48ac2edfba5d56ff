import { expect, test } from "bun:test";
import { isInsecure, mirrorsOf, parseMirror, type RegistryRules } from "./rules.ts";

const rules: RegistryRules = {
  mirrors: [
    { prefix: "docker.io", mirrors: ["mirror.example:5000", "http://10.0.0.1/cache"] },
    { prefix: "docker.io/team", mirrors: ["team.example/x"] },
  ],
  insecure: ["plain.example", "other.example:5000", "10.1.0.0/16"],
};

test("the longest prefix of whole name parts decides, and is replaced by the mirror's", () => {
  expect(mirrorsOf(rules, "docker.io", "library/busybox")).toEqual([
    { host: "mirror.example:5000", path: "library/busybox", scheme: undefined },
    { host: "10.0.0.1", path: "cache/library/busybox", scheme: "http" },
  ]);
  expect(mirrorsOf(rules, "docker.io", "team/app")).toEqual([
    { host: "team.example", path: "x/app", scheme: undefined },
  ]);
  expect(mirrorsOf(rules, "docker.io", "teammate/app")).toHaveLength(2);
  expect(mirrorsOf(rules, "quay.io", "team/app")).toEqual([]);
});

test.each([
  ["localhost:5000", true],
  ["127.3.2.1", true],
  ["[::1]:5000", true],
  ["plain.example:443", true],
  ["other.example:5000", true],
  ["other.example:5001", false],
  ["10.1.2.3:80", true],
  ["10.2.2.3", false],
  ["localhost.example", false],
])("whether %s may be spoken to without verified TLS: %p", (host, insecure) => {
  expect(isInsecure(rules, host)).toBe(insecure);
});

test("what is no mirror is refused", () => {
  expect(() => parseMirror("ftp://x")).toThrow("invalid mirror");
  expect(() => parseMirror("http://user@x")).toThrow("invalid mirror");
});

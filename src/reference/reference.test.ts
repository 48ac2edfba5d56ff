import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { familiarName, familiarString, parseReference, withDefaultTag } from "./index.ts";

const digest = `sha256:${"0".repeat(64)}`;

describe("a reference", () => {
  test.each([
    ["busybox", "docker.io", "library/busybox", undefined],
    ["team/app:1.0", "docker.io", "team/app", "1.0"],
    ["localhost/app", "localhost", "app", undefined],
    ["host:5000/a/b:x", "host:5000", "a/b", "x"],
    ["docker.io/busybox", "docker.io", "library/busybox", undefined],
    ["index.docker.io/library/busybox", "docker.io", "library/busybox", undefined],
    ["[::1]:5000/app", "[::1]:5000", "app", undefined],
  ])("%p is %p %p", (text, registry, path, tag) => {
    expect(parseReference(text)).toEqual({ registry, path, ...(tag === undefined ? {} : { tag }) });
  });

  test("may carry a digest, with or without a tag", () => {
    expect(parseReference(`busybox:1@${digest}`)).toEqual({
      registry: "docker.io",
      path: "library/busybox",
      tag: "1",
      digest,
    });
  });

  test.each([
    ["", "invalid reference format"],
    ["a b", "invalid reference format"],
    ["Upper", "repository name (library/Upper) must be lowercase"],
    ["a//b", "invalid reference format"],
    ["a:", "invalid reference format"],
    ["a:-x", "invalid reference format"],
    ["a@sha256:12", "invalid reference format"],
    ["../etc", "invalid reference format"],
    ["a".repeat(300), "invalid reference format"],
    ["0".repeat(64), "cannot specify 64-byte hexadecimal strings"],
  ])("%p is refused", (text, message) => {
    expect(() => parseReference(text)).toThrow(message);
  });

  test("is written back as people write it, and read again the same", () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const text = fc.tuple(
      fc.constantFrom("", "host.example/", "localhost:5000/"),
      fc.array(component, { minLength: 1, maxLength: 3 }),
      fc.constantFrom("", ":tag", `@${digest}`),
    );
    fc.assert(
      fc.property(text, ([host, parts, suffix]) => {
        const reference = parseReference(host + parts.join("/") + suffix);
        expect(parseReference(familiarString(reference))).toEqual(reference);
      }),
    );
  });

  test("without tag and digest means latest", () => {
    expect(familiarString(withDefaultTag(parseReference("docker.io/library/busybox")))).toBe(
      "busybox:latest",
    );
    expect(familiarName(parseReference("team/app"))).toBe("team/app");
  });
});

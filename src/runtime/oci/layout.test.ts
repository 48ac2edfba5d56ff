import { expect, test } from "bun:test";
import { cgroupPathOf, parseSystemdPath, scopeOf } from "./layout.ts";

test("a path names a group below every hierarchy's root, and none outside", () => {
  expect(cgroupPathOf("", "c")).toBe("/gantry-oci/c");
  expect(cgroupPathOf("a//b/./c", "c")).toBe("/a/b/c");
  expect(() => cgroupPathOf("/a/../b", "c")).toThrow("does not name a group below the root");
  expect(() => cgroupPathOf("/", "c")).toThrow("does not name a group below the root");
});

test("the form for systemd is told apart, and refused without --systemd-cgroup", () => {
  expect(parseSystemdPath("/a/b")).toBeUndefined();
  const scope = { slice: "system.slice", prefix: "runc", name: "c1" };
  expect(parseSystemdPath("system.slice:runc:c1")).toEqual(scope);
  expect(parseSystemdPath("user-1000.slice::c1")).toEqual({
    slice: "user-1000.slice",
    prefix: "",
    name: "c1",
  });
  expect(() => parseSystemdPath("a.slice:x:b.slice")).toThrow("b.slice is a slice");
  expect(() => parseSystemdPath("system:runc:c1")).toThrow("system is no name of a slice");
  expect(() => parseSystemdPath("system.slice:runc:")).toThrow("the name behind the second colon is empty");
  expect(() => cgroupPathOf("system.slice:runc:c1", "c1")).toThrow("but --systemd-cgroup was not given");
  expect(scopeOf(":runc:c1", "c")).toEqual(scope);
  expect(scopeOf("", "c")).toEqual({ slice: "system.slice", prefix: "gantry-oci", name: "c" });
  expect(() => scopeOf("/a", "c")).toThrow('of format "slice:prefix:name"');
});

import { expect, test } from "bun:test";
import { cgroupPathOf, parseSystemdPath } from "./layout.ts";

test("a path names a group below every hierarchy's root, and none outside", () => {
  expect(cgroupPathOf("", "c")).toBe("/gantry-oci/c");
  expect(cgroupPathOf("a//b/./c", "c")).toBe("/a/b/c");
  expect(() => cgroupPathOf("/a/../b", "c")).toThrow("does not name a group below the root");
  expect(() => cgroupPathOf("/", "c")).toThrow("does not name a group below the root");
});

test("the form for systemd is told apart, and refused without --systemd-cgroup", () => {
  expect(parseSystemdPath("/a/b")).toBeUndefined();
  expect(parseSystemdPath("system.slice:runc:c1")).toEqual({ slice: "system.slice", scope: "runc-c1.scope" });
  expect(parseSystemdPath(":runc:c1")).toEqual({ slice: "", scope: "runc-c1.scope" });
  expect(parseSystemdPath("user-1000.slice::c1")).toEqual({ slice: "user-1000.slice", scope: "c1.scope" });
  expect(parseSystemdPath("a.slice:x:b.slice")).toEqual({ slice: "a.slice", scope: "b.slice" });
  expect(() => parseSystemdPath("system:runc:c1")).toThrow("system is no name of a slice");
  expect(() => parseSystemdPath("system.slice:runc:")).toThrow("the name behind the second colon is empty");
  expect(() => cgroupPathOf("system.slice:runc:c1", "c1")).toThrow(
    "asks systemd for the unit runc-c1.scope in system.slice, but --systemd-cgroup was not given",
  );
});

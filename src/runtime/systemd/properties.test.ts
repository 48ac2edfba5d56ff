import { expect, test } from "bun:test";
import { bitmapOf, resourceProperties } from "./properties.ts";
import { slicePath } from "./slice.ts";

const plain = (resources: Parameters<typeof resourceProperties>[0]) =>
  Object.fromEntries(resourceProperties(resources).map(([name, { value }]) => [name, value]));

test("a slice lies in the slices that its name begins with", () => {
  expect(slicePath("a-b-c.slice")).toBe("/a.slice/a-b.slice/a-b-c.slice");
  expect(slicePath("-.slice")).toBe("");
  for (const name of ["a", "a/b.slice", "-a.slice", "a--b.slice", ".slice"])
    expect(() => slicePath(name)).toThrow("is no name of a slice");
});

test("limits become the properties of version 2", () => {
  expect(plain({ memory: { limit: 64, swap: 100, reservation: 32 }, pids: { limit: 7 } })).toEqual({
    MemoryMax: 64n,
    MemorySwapMax: 36n,
    MemoryLow: 32n,
    TasksMax: 7n,
  });
  expect(plain({ cpu: { quota: 50_000, period: 100_000 } })).toEqual({
    CPUQuotaPeriodUSec: 100_000n,
    CPUQuotaPerSecUSec: 500_000n,
  });
  expect(plain({ pids: { limit: -1 }, memory: { swap: -1 } })).toEqual({
    MemorySwapMax: 2n ** 64n - 1n,
    TasksMax: 2n ** 64n - 1n,
  });
});

test("a list of processors becomes bits", () => {
  expect(bitmapOf("0-2,8")).toEqual([7, 1]);
});

import { expect, test } from "bun:test";
import { ProgressBar } from "./progress-bar.ts";

test("a bar tells rate and remaining time of what it has seen itself", () => {
  const bar = new ProgressBar();
  expect(bar.text("Downloading", 50e6, 100e6, 0, 70)).toContain("50MB/100MB");
  const line = bar.text("Downloading", 60e6, 100e6, 1_000, 70);
  expect(line).toContain("60MB/100MB  10MB/s  4s");
  expect(line.length).toBeLessThanOrEqual(70);
  expect(bar.text("Downloading", 100e6, 100e6, 2_000, 70)).not.toContain("/s");
});

test("a bar that has no room is left out, an unknown total too", () => {
  expect(new ProgressBar().text("Downloading", 1e6, 2e6, 0, 20)).toBe("     1MB/2MB");
  expect(new ProgressBar().text("Downloading", 1e6, 0, 0, 80)).toBe("     1MB");
});

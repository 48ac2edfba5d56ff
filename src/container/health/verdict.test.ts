import { expect, test } from "bun:test";
import type { Health, HealthResult } from "../../wire/index.ts";
import { type HealthCheck, healthCheckOf, mergeHealth, validateHealth } from "./config.ts";
import { judge, pauseMs, STARTING } from "./verdict.ts";

const result = (ExitCode: number): HealthResult => ({ Start: "", End: "", ExitCode, Output: "" });
const rules = { retries: 2, startPeriodMs: 1000 };
const after = (codes: readonly [code: number, runningMs: number][]) =>
  codes.reduce<Health>(
    (health, [code, runningMs]) => judge(health, result(code), rules, runningMs),
    STARTING,
  );

test("failures count after the start period, one success is health, a run of failures is not", () => {
  expect(
    after([
      [1, 500],
      [1, 900],
    ]),
  ).toMatchObject({ Status: "starting", FailingStreak: 0 });
  expect(after([[1, 1500]])).toMatchObject({ Status: "starting", FailingStreak: 1 });
  expect(
    after([
      [1, 1500],
      [1, 1600],
    ]),
  ).toMatchObject({ Status: "unhealthy", FailingStreak: 2 });
  expect(
    after([
      [1, 1500],
      [0, 1600],
      [1, 1700],
    ]),
  ).toMatchObject({ Status: "healthy", FailingStreak: 1 });
  // Once healthy, its start is over.
  expect(
    after([
      [0, 100],
      [1, 200],
      [1, 300],
    ]),
  ).toMatchObject({ Status: "unhealthy", FailingStreak: 2 });
  expect(after(Array.from({ length: 9 }, () => [0, 1] as const)).Log).toHaveLength(5);
});

test("checks come faster while it starts", () => {
  const check = { intervalMs: 30, startIntervalMs: 5, startPeriodMs: 100 } as HealthCheck;
  expect(pauseMs(STARTING, check, 50)).toBe(5);
  expect(pauseMs(STARTING, check, 150)).toBe(30);
  expect(pauseMs({ ...STARTING, Status: "healthy" }, check, 50)).toBe(30);
});

test("a container's check is its own over its image's", () => {
  const image = { Test: ["CMD", "probe"], Interval: 5e9, Retries: 7 };
  expect(mergeHealth({ Retries: 2 }, image)).toEqual({ Test: ["CMD", "probe"], Interval: 5e9, Retries: 2 });
  expect(mergeHealth({ Test: ["NONE"] }, image)?.Test).toEqual(["NONE"]);
  expect(mergeHealth(undefined, undefined)).toBeUndefined();
  const check = healthCheckOf({ Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 2e9 } } as never);
  expect(check).toMatchObject({
    command: ["/bin/sh", "-c", "true"],
    intervalMs: 2000,
    timeoutMs: 30_000,
    retries: 3,
  });
  expect(healthCheckOf({ Healthcheck: { Test: ["NONE"] } } as never)).toBeUndefined();
  expect(() => validateHealth({ Interval: 10 })).toThrow("cannot be less than 1ms");
  expect(() => validateHealth({ Test: ["EXEC", "x"] })).toThrow("Unknown healthcheck type");
});

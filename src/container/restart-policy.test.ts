import { expect, test } from "bun:test";
import type { RestartPolicy } from "../wire/index.ts";
import { restartDelayMs, shouldRestart, shouldStartWithDaemon } from "./restart-policy.ts";

const policy = (Name: RestartPolicy["Name"], MaximumRetryCount = 0): RestartPolicy => ({
  Name,
  MaximumRetryCount,
});

test.each([
  ["no", 1, false, false],
  ["always", 0, false, true],
  ["always", 0, true, false],
  ["unless-stopped", 0, false, true],
  ["on-failure", 0, false, false],
  ["on-failure", 3, false, true],
] as const)(
  "policy %p after exit %p (stopped by the user: %p) restarts: %p",
  (name, code, byUser, expected) => {
    expect(shouldRestart(policy(name), code, byUser, 0)).toBe(expected);
  },
);

test("on-failure gives up after its count", () => {
  expect(shouldRestart(policy("on-failure", 2), 1, false, 1)).toBe(true);
  expect(shouldRestart(policy("on-failure", 2), 1, false, 2)).toBe(false);
});

test("with the daemon, always comes back and unless-stopped remembers the user's stop", () => {
  expect(shouldStartWithDaemon(policy("always"), 0, true)).toBe(true);
  expect(shouldStartWithDaemon(policy("unless-stopped"), 0, true)).toBe(false);
  expect(shouldStartWithDaemon(policy("unless-stopped"), 0, false)).toBe(true);
});

test("the wait doubles from 100 ms to a minute", () => {
  expect([0, 1, 2, 3, 20].map(restartDelayMs)).toEqual([100, 100, 200, 400, 60_000]);
});

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  formatGoDuration,
  formatTimestamp,
  formatTimestampFixed,
  humanDuration,
  humanSize,
  parseBytes,
  parseGoDuration,
  parseRfc3339,
  parseSignal,
  parseTimestamp,
} from "./index.ts";

describe("durations", () => {
  test.each([
    [400, "Less than a second"],
    [1_000, "1 second"],
    [59_000, "59 seconds"],
    [60_000, "About a minute"],
    [3_540_000, "59 minutes"],
    [3_600_000, "About an hour"],
    [3 * 3_600_000, "3 hours"],
    [49 * 3_600_000, "2 days"],
    [15 * 24 * 3_600_000, "2 weeks"],
    [70 * 24 * 3_600_000, "2 months"],
    [800 * 24 * 3_600_000, "2 years"],
  ])("%p ms reads %p", (ms, text) => {
    expect(humanDuration(ms)).toBe(text);
  });
  test("Go's syntax round-trips", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }), (ns) => {
        expect(parseGoDuration(formatGoDuration(ns))).toBe(ns);
      }),
    );
    expect(parseGoDuration("1h30m")).toBe(5_400_000_000_000n);
    expect(parseGoDuration("abc")).toBeUndefined();
    expect(parseGoDuration("")).toBeUndefined();
    expect([parseGoDuration(".5s"), parseGoDuration("1.s")]).toEqual([500_000_000n, 1_000_000_000n]);
    for (const text of [".s", "1", "1d", "--1s", "9999999h"]) expect(parseGoDuration(text)).toBeUndefined();
  });
});

test("sizes are read in binary and written in decimal units", () => {
  expect([parseBytes("512m"), parseBytes("1.5g"), parseBytes("100KiB"), parseBytes("7")]).toEqual([
    536870912, 1610612736, 102400, 7,
  ]);
  expect([humanSize(4261234), humanSize(0), humanSize(999), humanSize(1e9, 3)]).toEqual([
    "4.261MB",
    "0B",
    "999B",
    "1GB",
  ]);
  expect([parseBytes(".5k"), parseBytes("1.g"), parseBytes("0"), parseBytes("32.5 B")]).toEqual([
    512,
    2 ** 30,
    0,
    32,
  ]);
  expect([humanSize(999_900, 3), humanSize(1e28), humanSize(100)]).toEqual(["1e+03kB", "1e+04YB", "100B"]);
  for (const text of ["12x", "", ".", "-1", "1ib", "1 2", "900000p"]) {
    expect(() => parseBytes(text)).toThrow(`invalid size: '${text}'`);
  }
});

describe("times", () => {
  test("nanoseconds round-trip through RFC 3339", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 4_000_000_000_000_000_000n }), (ns) => {
        expect(parseRfc3339(formatTimestamp(ns))).toBe(ns);
        expect(parseRfc3339(formatTimestampFixed(ns))).toBe(ns);
      }),
    );
    expect(formatTimestamp(0n)).toBe("0001-01-01T00:00:00Z");
  });
  test("since takes Unix seconds, dates and durations", () => {
    expect(parseTimestamp("1.5", 0)).toBe(1_500_000_000n);
    expect(parseTimestamp("1970-01-02T00:00:00Z", 0)).toBe(86_400_000_000_000n);
    expect(parseTimestamp("10s", 20_000)).toBe(10_000_000_000n);
    expect(() => parseTimestamp("soon", 0)).toThrow("failed to parse value as time or duration");
  });
});

test("signals by number, name and real-time offset", () => {
  expect([parseSignal("9"), parseSignal("KILL"), parseSignal("sigterm"), parseSignal("RTMIN+3")]).toEqual([
    9, 9, 15, 37,
  ]);
  expect(() => parseSignal("NOPE")).toThrow("invalid signal: NOPE");
});

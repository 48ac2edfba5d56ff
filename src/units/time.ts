import { invalid } from "../errors/index.ts";
import { parseGoDuration } from "./duration.ts";

const NS_PER_SECOND = 1_000_000_000n;
/** What Go prints for a time that never was. */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

/** Nanoseconds since the epoch as RFC 3339 with trailing zeros of the fraction cut, as Go's RFC3339Nano; 0n is Go's zero time. */
export function formatTimestamp(ns: bigint): string {
  if (ns === 0n) return ZERO_TIME;
  const fraction = nanosOf(ns).replace(/0+$/, "");
  return `${secondsPart(ns)}${fraction === "" ? "" : `.${fraction}`}Z`;
}

/** The same with all nine digits, as log lines carry it. */
export function formatTimestampFixed(ns: bigint): string {
  return `${secondsPart(ns)}.${nanosOf(ns)}Z`;
}

const nanosOf = (ns: bigint) => String(ns % NS_PER_SECOND).padStart(9, "0");
const secondsPart = (ns: bigint) => new Date(Number(ns / NS_PER_SECOND) * 1000).toISOString().slice(0, 19);

const RFC3339 = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?)?$/;

/**
 * A moment as `--since` and `--until` take it, in nanoseconds since the epoch: Unix seconds with a fraction, a date or
 * RFC 3339 time (local when without zone), or a Go duration back from `nowMs`. Throws invalid.
 */
export function parseTimestamp(text: string, nowMs: number): bigint {
  const unix = /^(\d+)(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (unix !== null) {
    const [, seconds = "0", fraction = ""] = unix;
    return BigInt(seconds) * NS_PER_SECOND + BigInt(fraction.padEnd(9, "0"));
  }
  const calendar = RFC3339.exec(text);
  if (calendar !== null) {
    const [, date, clock = "00:00", fraction = "", zone = ""] = calendar;
    const ms = Date.parse(`${date}T${clock}${zone}`);
    if (!Number.isNaN(ms)) return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
  }
  const back = parseGoDuration(text);
  if (back === undefined) throw invalid(`failed to parse value as time or duration: "${text}"`);
  return BigInt(Math.round(nowMs)) * 1_000_000n - back;
}

/** RFC 3339 with up to nine digits of a second in nanoseconds since the epoch; undefined when the text is none. */
export function parseRfc3339(text: string): bigint | undefined {
  const [, date, clock, fraction = "", zone] = RFC3339.exec(text) ?? [];
  if (date === undefined || clock === undefined || zone === undefined) return undefined;
  const ms = Date.parse(`${date}T${clock}${zone}`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

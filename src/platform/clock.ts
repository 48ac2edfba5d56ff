let last = 0n;

/** Nanoseconds since the epoch with the clock's microseconds; never twice the same and never backwards within the process. */
export function wallClockNs(): bigint {
  const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  last = now > last ? now : last + 1n;
  return last;
}

import type { Health, HealthResult } from "../../wire/index.ts";
import type { HealthCheck } from "./config.ts";

/** How many results inspect shows. */
const KEPT = 5;

export const STARTING: Health = { Status: "starting", FailingStreak: 0, Log: [] };

/**
 * What a result makes of a container's health. While it starts, failures count only once its start period is over; one
 * success makes it healthy, a run of failures unhealthy.
 */
export function judge(
  { Status, FailingStreak, Log }: Health,
  result: HealthResult,
  { retries, startPeriodMs }: Pick<HealthCheck, "retries" | "startPeriodMs">,
  runningMs: number,
): Health {
  const log = [...Log, result].slice(-KEPT);
  if (result.ExitCode === 0) return { Status: "healthy", FailingStreak: 0, Log: log };
  const excused = Status === "starting" && runningMs < startPeriodMs;
  const streak = excused ? FailingStreak : FailingStreak + 1;
  return { Status: streak >= retries ? "unhealthy" : Status, FailingStreak: streak, Log: log };
}

/** Time until the next check. */
export function pauseMs(
  { Status }: Health,
  { intervalMs, startIntervalMs, startPeriodMs }: HealthCheck,
  runningMs: number,
): number {
  return Status === "starting" && runningMs < startPeriodMs ? startIntervalMs : intervalMs;
}

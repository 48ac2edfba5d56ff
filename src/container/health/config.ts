import { invalid } from "../../errors/index.ts";
import type { ContainerConfig, HealthConfig } from "../../wire/index.ts";

/** A container's health check with every default worked out; times in milliseconds. */
export interface HealthCheck {
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  /** Failures in a row after which the container is unhealthy. */
  readonly retries: number;
}

const NS_PER_MS = 1e6;
const DEFAULTS = { intervalMs: 30_000, timeoutMs: 30_000, startIntervalMs: 5000, retries: 3 };
/** Shorter times are mistakes of unit, as Docker sees it. */
const SHORTEST_NS = 1e6;

/** The container's own over its image's: each field that it leaves out is the image's. */
export function mergeHealth(
  own: HealthConfig | undefined,
  image: HealthConfig | undefined,
): HealthConfig | undefined {
  if (image === undefined || own === undefined) return own ?? image;
  const test = own.Test ?? [];
  return {
    ...image,
    ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== 0)),
    Test: test.length > 0 ? test : (image.Test ?? []),
  };
}

/** Throws invalid in Docker's words. */
export function validateHealth(health: HealthConfig | undefined): void {
  if (health === undefined) return;
  for (const [field, words] of [
    ["Interval", "Interval"],
    ["Timeout", "Timeout"],
    ["StartPeriod", "StartPeriod"],
    ["StartInterval", "StartInterval"],
  ] as const) {
    const value = health[field] ?? 0;
    if (value !== 0 && value < SHORTEST_NS) throw invalid(`${words} in Healthcheck cannot be less than 1ms`);
  }
  if ((health.Retries ?? 0) < 0) throw invalid("Retries in Healthcheck cannot be negative");
  const [kind] = health.Test ?? [];
  if (kind !== undefined && !["NONE", "CMD", "CMD-SHELL", ""].includes(kind))
    throw invalid(`Unknown healthcheck type '${kind}' (expected 'CMD')`);
}

/** Undefined for a container without a check. */
export function healthCheckOf({ Healthcheck: health, Shell }: ContainerConfig): HealthCheck | undefined {
  const [kind, ...words] = health?.Test ?? [];
  if (health === undefined || words.length === 0 || (kind !== "CMD" && kind !== "CMD-SHELL"))
    return undefined;
  const shell = Shell !== undefined && Shell.length > 0 ? Shell : ["/bin/sh", "-c"];
  const ms = (value: number | undefined, fallback: number) =>
    value === undefined || value === 0 ? fallback : value / NS_PER_MS;
  return {
    command: kind === "CMD" ? words : [...shell, words.join(" ")],
    intervalMs: ms(health.Interval, DEFAULTS.intervalMs),
    timeoutMs: ms(health.Timeout, DEFAULTS.timeoutMs),
    startPeriodMs: ms(health.StartPeriod, 0),
    startIntervalMs: ms(health.StartInterval, DEFAULTS.startIntervalMs),
    retries: health.Retries || DEFAULTS.retries,
  };
}

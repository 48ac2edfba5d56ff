import { cancelled } from "../errors/index.ts";
import { isTransient, type RegistryResponse } from "./transport.ts";

/** How often and how patiently a failed request is made again. */
export interface RetryPolicy {
  /** Attempts in all. */
  readonly attempts: number;
  /** Before the second attempt; doubled before each further one, with up to a quarter added at random. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 500, maxDelayMs: 60_000 };

/** 429 and the 5xx that pass (RFC 9110, section 15.6; RFC 6585, section 4). 501 and 505 do not. */
export const isTransientStatus = (status: number): boolean =>
  status === 429 || status === 408 || [500, 502, 503, 504].includes(status);

/**
 * Milliseconds to wait before attempt `next` (counted from 1 for the first repetition): what the server asks for with
 * Retry-After (seconds or a date, RFC 9110, section 10.2.3), else the policy's back-off. Never over its maximum.
 */
export function delayBefore(next: number, policy: RetryPolicy, retryAfter?: string): number {
  const asked = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter);
  const backoff = policy.firstDelayMs * 2 ** (next - 1) * (1 + Math.random() / 4);
  return Math.min(policy.maxDelayMs, asked ?? backoff);
}

function parseRetryAfter(text: string): number | undefined {
  if (/^\s*\d{1,9}\s*$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** Resolves after the time; rejects with cancelled on abort. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => {
    clearTimeout(timer);
    reject(cancelled("waiting for a registry was cancelled", { cause: signal.reason }));
  };
  const timer = setTimeout(() => {
    signal.removeEventListener("abort", stop);
    resolve();
  }, ms);
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return promise;
}

/**
 * Send, and send again after a broken connection or a status that passes. The last answer is given as it is, whatever
 * its status. Only for requests that may be repeated.
 */
export async function sendPatiently(
  attempt: () => Promise<RegistryResponse>,
  policy: RetryPolicy,
  signal: AbortSignal,
): Promise<RegistryResponse> {
  for (let made = 1; ; made++) {
    let retryAfter: string | undefined;
    try {
      const response = await attempt();
      if (!isTransientStatus(response.status) || made >= policy.attempts) return response;
      retryAfter = response.headers["retry-after"];
      response.body.destroy();
    } catch (error) {
      if (!isTransient(error) || made >= policy.attempts) throw error;
    }
    await pause(delayBefore(made, policy, retryAfter), signal);
  }
}

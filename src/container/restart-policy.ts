import type { RestartPolicy } from "../wire/index.ts";

/** Whether Docker's restart policy starts a container again after it ended by itself. */
export function shouldRestart(
  policy: RestartPolicy,
  exitCode: number,
  stoppedByUser: boolean,
  restartsSoFar: number,
): boolean {
  if (stoppedByUser) return false;
  switch (policy.Name) {
    case "always":
    case "unless-stopped":
      return true;
    case "on-failure":
      return exitCode !== 0 && (policy.MaximumRetryCount === 0 || restartsSoFar < policy.MaximumRetryCount);
    default:
      return false;
  }
}

/** Whether a container that ended while the daemon was away, or with the machine, is started when the daemon starts. */
export function shouldStartWithDaemon(
  policy: RestartPolicy,
  exitCode: number,
  stoppedByUser: boolean,
): boolean {
  if (policy.Name === "always") return true;
  if (policy.Name === "unless-stopped") return !stoppedByUser;
  return policy.Name === "on-failure" && exitCode !== 0 && !stoppedByUser;
}

/** 100 ms, doubling with every quick restart in a row, at most a minute. */
export function restartDelayMs(quickRestarts: number): number {
  return Math.min(100 * 2 ** Math.max(0, quickRestarts - 1), 60_000);
}

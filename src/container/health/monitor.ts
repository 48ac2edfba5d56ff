import { messageOf } from "../../errors/index.ts";
import type { ContainerContext } from "../dependencies.ts";
import { notify } from "../notify.ts";
import { isRunning } from "../state.ts";
import { healthCheckOf } from "./config.ts";
import { probe } from "./probe.ts";
import { judge, pauseMs, STARTING } from "./verdict.ts";

/**
 * Check a running container's health again and again until its end. Each run of a container begins with "starting";
 * so does one that a daemon finds running.
 */
export function watchHealth(context: ContainerContext, id: string): void {
  const record = context.table.get(id);
  const check = record === undefined ? undefined : healthCheckOf(record.definition.config);
  const live = context.live.of(id);
  stopHealth(context, id);
  live.health = check === undefined ? undefined : STARTING;
  if (check === undefined) return;
  const stopped = new AbortController();
  live.healthWatch = stopped;
  const startedMs = Date.now();

  const next = () => {
    const timer = setTimeout(
      () => {
        once().catch((error) =>
          context.log.error(`the health of container ${id} is unknown: ${messageOf(error)}`),
        );
      },
      pauseMs(live.health ?? STARTING, check, Date.now() - startedMs),
    );
    stopped.signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  };
  const once = async () => {
    const now = context.table.get(id);
    if (stopped.signal.aborted || now === undefined || !isRunning(now.state)) return;
    // Who stands still answers nobody, and is not ill.
    if (now.state.status !== "paused") {
      const result = await probe(context, now, now.state.pid, check);
      if (stopped.signal.aborted) return;
      const before = live.health?.Status;
      live.health = judge(live.health ?? STARTING, result, check, Date.now() - startedMs);
      if (live.health.Status !== before) notify(context, now, `health_status: ${live.health.Status}`);
    }
    next();
  };
  next();
}

/** The container has ended: no more checks. What was found last can still be looked at. */
export function stopHealth(context: ContainerContext, id: string): void {
  const live = context.live.of(id);
  live.healthWatch?.abort();
  live.healthWatch = undefined;
}

import { messageOf } from "../../errors/index.ts";
import type { ContainerContext } from "../dependencies.ts";
import { notify } from "../notify.ts";
import { isRunning } from "../state.ts";
import { healthCheckOf } from "./config.ts";
import { probe } from "./probe.ts";
import { judge, pauseMs, STARTING } from "./verdict.ts";

/**
 * Check a running container's health again and again until its end. Each run of a container begins with "starting"; one
 * that was `found` running by a new daemon goes on with what the daemon before had found.
 */
export function watchHealth(context: ContainerContext, id: string, { found }: { found: boolean }): void {
  const record = context.table.get(id);
  const check = record === undefined ? undefined : healthCheckOf(record.definition.config);
  const live = context.live.of(id);
  stopHealth(context, id);
  const before = found ? context.table.savedHealth(id) : undefined;
  live.health = check === undefined ? undefined : (before ?? STARTING);
  if (!found) context.table.saveHealth(id, live.health);
  if (record === undefined || check === undefined) return;
  const stopped = new AbortController();
  live.healthWatch = stopped;
  const startedMs =
    found && isRunning(record.state) ? Number(record.state.startedAtNs / 1_000_000n) : Date.now();

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
      context.table.saveHealth(id, live.health);
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

import { conflict, unsupported } from "../errors/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { removeStopped } from "./removal.ts";
import { isRunning } from "./state.ts";
import { killContainer } from "./stop.ts";

/** Remove a container; with `force` a running one is killed first. `volumes` takes its anonymous volumes along. */
export async function removeContainer(
  context: ContainerContext,
  reference: string,
  options: { force: boolean; volumes: boolean; link: boolean },
): Promise<void> {
  if (options.link) throw unsupported("removing a link is not supported: this engine has no legacy links");
  const record = context.table.find(reference);
  const live = context.live.of(record.id);
  if (isRunning(record.state) || record.state.status === "restarting") {
    if (!options.force) {
      const advice =
        record.state.status === "paused"
          ? "unpause and then stop the container before removing or force remove"
          : "stop the container before removing or force remove";
      throw conflict(
        `cannot remove container "/${record.name}": container is ${record.state.status}: ${advice}`,
      );
    }
    live.stoppedByUser = true;
    clearTimeout(live.restartTimer);
    if (isRunning(record.state)) await killIfRunning(context, record.id);
  }
  using _lock = await context.locks.acquire(record.id);
  const now = context.table.get(record.id);
  // `--rm` may have been faster; then the wish is fulfilled.
  if (now === undefined) return;
  if (isRunning(now.state))
    throw conflict(`container ${record.id} was started again while it was being removed`);
  await removeStopped(context, now, options);
}

async function killIfRunning(context: ContainerContext, id: string): Promise<void> {
  try {
    await killContainer(context, id, "SIGKILL");
  } catch (error) {
    const now = context.table.get(id);
    if (now !== undefined && isRunning(now.state)) throw error;
  }
}

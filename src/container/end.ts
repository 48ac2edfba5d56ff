import { messageOf } from "../errors/index.ts";
import type { ExitStatus, Task } from "../runtime/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { settle } from "./live.ts";
import { notify } from "./notify.ts";
import { removeStopped } from "./removal.ts";
import { shouldRestart } from "./restart-policy.ts";
import { exited, restarting } from "./state.ts";
import { releaseVolumes } from "./volume-use.ts";

/**
 * A container's process tree has ended: release what the start took, write the exit down, tell everybody who waits, then
 * let `--rm` have its way. The task, whose folder has the only other record of the end, goes after that. Resolves with whether the restart policy wants another start. Never rejects: the end
 * of a container is nobody's request.
 */
export async function handleEnd(
  context: ContainerContext,
  id: string,
  task: Task,
  status: ExitStatus,
): Promise<boolean> {
  const live = context.live.of(id);
  let restart = false;
  try {
    using _lock = await context.locks.acquire(id);
    const record = context.table.get(id);
    if (record === undefined || live.task !== task) return false;
    live.task = undefined;
    await context.network.close(id);
    await releaseVolumes(context, record);

    const policy = record.definition.hostConfig.RestartPolicy;
    restart = shouldRestart(policy, status.exitCode, live.stoppedByUser, record.restartCount);
    const ended = restart ? restarting(status) : exited(status, live.stoppedByUser);
    const after = context.table.setState(id, ended, record.restartCount + (restart ? 1 : 0));
    if (status.oomKilled && !live.isOutOfMemoryTold) notify(context, after, "oom");
    const seconds = (status.exitedAtNs - status.startedAtNs) / 1_000_000_000n;
    notify(context, after, "die", { exitCode: String(status.exitCode), execDuration: String(seconds) });
    settle(live.exitWaiters, { statusCode: status.exitCode });
    await task.remove();
    if (record.definition.hostConfig.AutoRemove && !restart)
      await removeStopped(context, after, { volumes: true });
  } catch (error) {
    context.log.error(`the end of container ${id} could not be recorded: ${messageOf(error)}`);
  }
  return restart;
}

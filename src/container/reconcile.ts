import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../errors/index.ts";
import { wallClockNs } from "../platform/index.ts";
import type { Task } from "../runtime/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { superviseExec } from "./exec.ts";
import { removeStopped } from "./removal.ts";
import { shouldStartWithDaemon } from "./restart-policy.ts";
import { startContainer, superviseTask } from "./start.ts";
import { type Ending, exitCodeOf, exited, isRunning, paused, unpaused } from "./state.ts";
import { usesOf } from "./volume-use.ts";

/** Exit code of a container whose shim vanished with the machine, as Docker has it. */
const LOST = 255;
/** The pid of a task that was found ended. */
const ENDED = 0;

/**
 * Make rows and kernel agree after the daemon was away: tasks that still run are taken back into care, ends that
 * happened meanwhile are recorded by the usual path, half-done starts and removals are finished, and folders or
 * tasks that no row knows are removed. The normal way to start; must run before anything else touches a container.
 */
export async function reconcileContainers(context: ContainerContext): Promise<void> {
  await removeUnknownTasks(context);
  const found = new Map<string, Task>();
  for (const record of context.table.list()) {
    const health = context.table.savedHealth(record.id);
    if (health !== undefined) context.live.of(record.id).health = health;
    if (record.state.status === "removing") {
      await removeStopped(context, record, { volumes: true });
    } else if (isRunning(record.state)) {
      const task = await context.launcher.reconnect(record.id);
      if (task === undefined) {
        const last: Ending = {
          exitCode: LOST,
          oomKilled: false,
          startedAtNs: record.state.startedAtNs,
          exitedAtNs: wallClockNs(),
        };
        context.table.setState(record.id, exited(last, false));
      } else {
        found.set(record.id, task);
        // The daemon may have died between the kernel's freezer and the row.
        const isFrozen = context.groups.of(record).isFrozen();
        context.table.setState(record.id, isFrozen ? paused(record.state) : unpaused(record.state));
      }
    } else if (record.state.status === "restarting") {
      context.table.setState(record.id, exited(record.state.last, false));
    }
  }
  await reconnectExecs(context);
  const running = [...found].filter(([, { pid }]) => pid !== ENDED);
  await context.network.reconcile(new Map(running.map(([id, { pid }]) => [id, pid])));
  context.network.forgetUnknown(new Set(context.table.list().map(({ id }) => id)));
  await context.volumes.reconcile(
    context.table.list().flatMap((record) => (found.has(record.id) ? usesOf(record) : [])),
  );
  // What an end gives back has to be there first.
  for (const [id, task] of found) superviseTask(context, id, task, { found: true });
  for (const [id, { pid }] of found) if (pid === ENDED) await context.live.of(id).end;
  await removeUnknownFolders(context);
}

/** After reconciling: what restart policies want to run again. Starts in the background; failures are logged. */
export async function startByPolicy(context: ContainerContext): Promise<void> {
  for (const record of context.table.list().reverse()) {
    const { state, definition } = record;
    if (state.status !== "exited") continue;
    const policy = definition.hostConfig.RestartPolicy;
    if (definition.hostConfig.AutoRemove) await removeStopped(context, record, { volumes: true });
    else if (shouldStartWithDaemon(policy, exitCodeOf(state), state.stoppedByUser)) {
      await startContainer(context, record.id, { byPolicy: true }).catch((error) => {
        context.log.warn(
          `container ${record.name} could not be started with the daemon: ${messageOf(error)}`,
        );
      });
    }
  }
}

/** A start that died before its row said "running", or an exec whose container is gone. */
async function removeUnknownTasks(context: ContainerContext): Promise<void> {
  const known = new Set<string>();
  for (const { id, state } of context.table.list()) if (isRunning(state)) known.add(id);
  for (const { id, state } of context.execs.list()) if (state.status === "running") known.add(id);
  const isKnown = (taskId: string) => [...known].some((id) => id.startsWith(taskId));
  for (const taskId of await context.launcher.list()) {
    if (isKnown(taskId)) continue;
    const task = await context.launcher.reconnect(taskId);
    await (task === undefined ? context.launcher.forget(taskId) : task.remove());
  }
}

async function reconnectExecs(context: ContainerContext): Promise<void> {
  for (const exec of context.execs.list()) {
    if (exec.state.status !== "running") continue;
    const task = await context.launcher.reconnect(exec.id);
    if (task === undefined)
      context.execs.setState(exec.id, { status: "exited", exitCode: LOST, exitedAtMs: Date.now() });
    else {
      superviseExec(context, exec, task).catch((error) => {
        context.log.error(`exec ${exec.id} could not be supervised: ${messageOf(error)}`);
      });
    }
  }
}

async function removeUnknownFolders(context: ContainerContext): Promise<void> {
  for (const id of readdirSync(context.folder)) {
    if (context.table.get(id) === undefined)
      await rm(join(context.folder, id), { recursive: true, force: true });
  }
}

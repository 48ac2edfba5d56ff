import { setTimeout as sleep } from "node:timers/promises";
import { conflict, EngineError, errnoOf, internal, messageOf } from "../../errors/index.ts";
import { controlGroup, destroyGroup } from "../cgroup/index.ts";
import { parseConfig } from "./config.ts";
import type { OciContext } from "./context.ts";
import { runHooks } from "./hooks.ts";
import { type ContainerRecord, reportOf } from "./state.ts";

const SIGKILL = 9;
/** How long a killed process may take to end. */
const END_LIMIT_MS = 10_000;

/** Send a signal to the first process, or to all of the container. Throws conflict when it has ended. */
export async function killContainer(
  context: OciContext,
  id: string,
  signal: number,
  { all }: { all: boolean },
): Promise<void> {
  const record = context.store.load(id);
  const status = context.store.statusOf(record);
  const group = controlGroup(context.layout, record.cgroupPath);
  if (all) {
    for (const pid of group.processes()) sendSignal(pid, signal);
  } else {
    if (status === "stopped") throw conflict("container not running");
    sendSignal(record.pid, signal);
  }
  // A frozen process of version 1 does not even die.
  if (signal === SIGKILL && status === "paused") group.thaw();
}

/**
 * Release what a stopped container holds. One that was never started is killed first, and so is any other with `force`,
 * which also makes the absence of a container no error. Throws conflict for one that runs.
 */
export async function deleteContainer(
  context: OciContext,
  id: string,
  { force }: { force: boolean },
): Promise<void> {
  let record: ContainerRecord;
  try {
    record = context.store.load(id);
  } catch (error) {
    if (!(force && error instanceof EngineError && error.kind === "not-found")) throw error;
    // What a creation that was cut off may have left.
    context.store.remove(id);
    return;
  }
  const status = context.store.statusOf(record);
  if (status !== "stopped") {
    if (!force && status !== "created")
      throw conflict(`cannot delete container ${id} that is not stopped: ${status}`);
    await killContainer(context, id, SIGKILL, { all: false });
    await untilStopped(context, record);
  }
  await removeContainer(context, record);
}

/** Everything of a container whose process has ended; then the hooks that come after it. */
export async function removeContainer(context: OciContext, record: ContainerRecord): Promise<void> {
  await destroyGroup(context.layout, record.cgroupPath);
  if (record.unit !== undefined) {
    await using scopes = await context.openScopes();
    await scopes.stop(record.unit);
  }
  context.store.remove(record.id);
  const { hooks } = parseConfig(record.config, record.bundle);
  try {
    await runHooks("poststop", hooks.poststop, reportOf(record, "stopped"));
  } catch (error) {
    context.warn(messageOf(error));
  }
}

/** The process is another one's child; only a pidfd would tell of its end, which no JavaScript can wait for. */
async function untilStopped(context: OciContext, record: ContainerRecord): Promise<void> {
  for (let waitedMs = 0; waitedMs < END_LIMIT_MS; waitedMs += 5) {
    if (context.store.statusOf(record) === "stopped") return;
    await sleep(5);
  }
  throw internal(`container ${record.id} does not end though it was killed`);
}

function sendSignal(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}

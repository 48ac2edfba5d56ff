import { conflict, EngineError, notModified } from "../errors/index.ts";
import { parseSignal } from "../units/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import type { LiveContainer } from "./live.ts";
import { notify } from "./notify.ts";
import { unpauseContainer } from "./pause.ts";
import type { ContainerRecord } from "./record.ts";
import { startContainer } from "./start.ts";
import { exited, isRunning } from "./state.ts";

const SIGKILL = 9;
const DEFAULT_STOP_SECONDS = 10;

export interface StopOptions {
  readonly timeoutSeconds?: number;
  readonly signal?: string;
}

/** Ask the container to end, and kill it when it has not after the time given. Throws not-modified when it does not run. */
export async function stopContainer(
  context: ContainerContext,
  reference: string,
  options: StopOptions,
): Promise<void> {
  const record = context.table.find(reference);
  if (record.state.status === "restarting") {
    await cancelRestart(context, record);
    return;
  }
  if (!isRunning(record.state)) throw notModified(`container ${record.id} is not running`);
  const { config } = record.definition;
  const signal = parseSignal(options.signal ?? config.StopSignal ?? "SIGTERM");
  const live = context.live.of(record.id);
  live.stoppedByUser = true;
  const isAsked = await signalTask(context, record, live, signal);
  const seconds = options.timeoutSeconds ?? config.StopTimeout ?? DEFAULT_STOP_SECONDS;
  if (!isAsked || !(await endsWithin(live, seconds))) {
    if (isAsked) await signalTask(context, record, live, SIGKILL);
    await live.end;
  }
  notify(context, record, "stop");
}

export async function restartContainer(
  context: ContainerContext,
  reference: string,
  options: StopOptions,
): Promise<void> {
  const record = context.table.find(reference);
  if (isRunning(record.state) || record.state.status === "restarting")
    await stopContainer(context, record.id, options);
  await startContainer(context, record.id);
  notify(context, record, "restart");
}

/** Send a signal. Throws conflict when the container does not run. */
export async function killContainer(
  context: ContainerContext,
  reference: string,
  name: string,
): Promise<void> {
  const signal = parseSignal(name === "" ? "SIGKILL" : name);
  const record = context.table.find(reference);
  const live = context.live.of(record.id);
  if (!isRunning(record.state)) throw conflict(`container ${record.id} is not running`);
  const stopSignal = parseSignal(record.definition.config.StopSignal ?? "SIGTERM");
  if (signal === SIGKILL || signal === stopSignal) live.stoppedByUser = true;
  if (!(await signalTask(context, record, live, signal)))
    throw conflict(`container ${record.id} is not running`);
  // After a kill Docker's clients look at the container at once and expect to see it stopped.
  if (signal === SIGKILL) await live.end;
}

/** False when the process has just ended by itself, and only its end is still to be written down. */
async function signalTask(
  context: ContainerContext,
  record: ContainerRecord,
  live: LiveContainer,
  signal: number,
): Promise<boolean> {
  try {
    await live.task?.signal(signal);
  } catch (error) {
    if (error instanceof EngineError && error.kind === "not-found") return false;
    throw error;
  }
  notify(context, record, "kill", { signal: String(signal) });
  if (context.table.get(record.id)?.state.status === "paused" && isToEnd(record, signal))
    await unpauseContainer(context, record.id);
  return true;
}

/** A frozen process hears of no signal: one that is to end it is followed by letting it go on. */
function isToEnd({ definition }: ContainerRecord, signal: number): boolean {
  const { StopSignal } = definition.config;
  return signal === SIGKILL || StopSignal === undefined || parseSignal(StopSignal) === signal;
}

async function endsWithin(live: LiveContainer, seconds: number): Promise<boolean> {
  if (live.end === undefined) return true;
  if (seconds < 0) return live.end.then(() => true);
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), seconds * 1000);
  try {
    return await Promise.race([live.end.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function cancelRestart(context: ContainerContext, record: ContainerRecord): Promise<void> {
  using _lock = await context.locks.acquire(record.id);
  const live = context.live.of(record.id);
  clearTimeout(live.restartTimer);
  live.stoppedByUser = true;
  const now = context.table.get(record.id);
  if (now?.state.status === "restarting") context.table.setState(record.id, exited(now.state.last, true));
  notify(context, record, "stop");
}

import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { conflict, EngineError, invalid, messageOf, notFound } from "../errors/index.ts";
import { randomHex } from "../platform/index.ts";
import { LaunchError, type Task } from "../runtime/index.ts";
import type { ExecConfig, ExecInspect } from "../wire/index.ts";
import { withDetachKeys } from "./attach.ts";
import type { ContainerContext } from "./dependencies.ts";
import type { ExecRecord } from "./exec-table.ts";
import { linkEnvironment } from "./links.ts";
import { notify } from "./notify.ts";
import type { ContainerRecord } from "./record.ts";
import type { AttachedStreams } from "./service.ts";
import { isRunning, type LivingState } from "./state.ts";

/** How long an ended exec can still be inspected. */
const REMEMBERED_MS = 5 * 60_000;

export async function createExec(
  context: ContainerContext,
  reference: string,
  config: ExecConfig,
): Promise<{ id: string }> {
  if (config.Cmd.length === 0) throw invalid("No exec command specified");
  const record = runningContainer(context, reference);
  context.execs.deleteEndedBefore(Date.now() - REMEMBERED_MS);
  const id = randomHex(32);
  context.execs.insert({ id, containerId: record.id, config, state: { status: "created" } });
  notify(context, record, `exec_create: ${config.Cmd.join(" ")}`, { execID: id });
  return { id };
}

/**
 * Run a created exec. Attached: resolves with its streams; the output ends only after its exit code was written down.
 * A program that cannot be executed is then told in that output, as Docker does it: its clients have left HTTP by then.
 */
export async function startExec(
  context: ContainerContext,
  execId: string,
  options: { detach: boolean; tty: boolean; consoleSize?: [rows: number, columns: number] },
): Promise<AttachedStreams | undefined> {
  try {
    return await launchAttached(context, execId, options);
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    if (options.detach) throw new EngineError(error.kind, error.execMessage, { cause: error });
    const { Tty: tty } = findExec(context, execId).config;
    const words = Buffer.from(`${error.execMessage}\r\n`);
    const output = Readable.from(tty ? [words] : [stdoutFrame(words)], { objectMode: false });
    return { tty, output, close: async () => {} };
  }
}

/** The header of a frame of stdout (Engine API, ContainerAttach, stream format). */
function stdoutFrame(bytes: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = 1;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

async function launchAttached(
  context: ContainerContext,
  execId: string,
  options: { detach: boolean; tty: boolean; consoleSize?: [rows: number, columns: number] },
): Promise<AttachedStreams | undefined> {
  const exec = findExec(context, execId);
  using _lock = await context.locks.acquire(execId);
  if (findExec(context, execId).state.status !== "created") throw conflict(`exec ${execId} has already run`);
  const record = runningContainer(context, exec.containerId);
  const { pid } = record.state;
  const config =
    options.consoleSize === undefined ? exec.config : { ...exec.config, ConsoleSize: options.consoleSize };

  await using undo = new AsyncDisposableStack();
  const task = await launchExec(context, record, pid, exec, config);
  undo.defer(() => task.remove());
  const streams = options.detach
    ? undefined
    : await task.attach({
        stdin: config.AttachStdin,
        stdout: config.AttachStdout,
        stderr: config.AttachStderr,
      });
  await task.start().catch((error) => failExec(context, exec, error));
  context.execs.setState(execId, { status: "running", pid: task.pid });
  undo.move();
  notify(context, record, `exec_start: ${config.Cmd.join(" ")}`, { execID: execId });
  const settled = superviseExec(context, exec, task);
  if (streams === undefined) return undefined;
  const attached: AttachedStreams = {
    tty: config.Tty,
    output: endingAfter(streams.output, settled),
    ...(streams.input === undefined ? {} : { input: streams.input }),
    close: () => streams.close(),
  };
  return withDetachKeys(attached, { detachKeys: config.DetachKeys });
}

async function launchExec(
  context: ContainerContext,
  record: ContainerRecord,
  pid: number,
  exec: ExecRecord,
  config: ExecConfig,
): Promise<Task> {
  try {
    const { plan, how } = await context.planner.planExec(
      record,
      pid,
      exec.id,
      config,
      linkEnvironment(context, record, { required: false }),
    );
    const task = await context.launcher.launch(exec.id, plan, how);
    context.execTasks.set(exec.id, task);
    return task;
  } catch (error) {
    return failExec(context, exec, error);
  }
}

function failExec(context: ContainerContext, exec: ExecRecord, error: unknown): never {
  const exitCode = error instanceof LaunchError ? error.exitCode : 126;
  context.execs.setState(exec.id, { status: "exited", exitCode, exitedAtMs: Date.now() });
  context.execTasks.delete(exec.id);
  throw error;
}

/**
 * Write the exit code down when an exec ends; resolves then. What is left of the task is removed after that. Also for
 * execs found again after a restart of the daemon.
 */
export async function superviseExec(context: ContainerContext, exec: ExecRecord, task: Task): Promise<void> {
  context.execTasks.set(exec.id, task);
  const { exitCode } = await task.ended;
  context.execs.setState(exec.id, { status: "exited", exitCode, exitedAtMs: Date.now() });
  context.execTasks.delete(exec.id);
  const record = context.table.get(exec.containerId);
  if (record !== undefined)
    notify(context, record, "exec_die", { execID: exec.id, exitCode: String(exitCode) });
  task.remove().catch((error) => {
    context.log.error(`what exec ${exec.id} left behind could not be removed: ${messageOf(error)}`);
  });
}

/** The same bytes, ended only when `condition` has settled as well. */
function endingAfter(source: Readable, condition: Promise<void>): Readable {
  const output = new PassThrough();
  pipeline(source, output, { end: false }).then(
    () => condition.finally(() => output.end()),
    (error) => output.destroy(error instanceof Error ? error : undefined),
  );
  output.once("close", () => source.destroy());
  return output;
}

export function inspectExec(context: ContainerContext, execId: string): ExecInspect {
  const { config, state, containerId } = findExec(context, execId);
  const [entrypoint = "", ...args] = config.Cmd;
  return {
    ID: execId,
    Running: state.status === "running",
    ExitCode: state.status === "exited" ? state.exitCode : null,
    ProcessConfig: {
      tty: config.Tty,
      entrypoint,
      arguments: args,
      privileged: config.Privileged,
      ...(config.User === "" ? {} : { user: config.User }),
    },
    OpenStdin: config.AttachStdin,
    OpenStderr: config.AttachStderr,
    OpenStdout: config.AttachStdout,
    CanRemove: state.status === "exited",
    ContainerID: containerId,
    DetachKeys: config.DetachKeys,
    Pid: state.status === "running" ? state.pid : 0,
  };
}

/** Of an exec that is being started, once it has been: a client need not wait for the answer to its start. */
export async function resizeExec(
  context: ContainerContext,
  id: string,
  rows: number,
  columns: number,
): Promise<void> {
  findExec(context, id);
  using _lock = await context.locks.acquire(id);
  const task = context.execTasks.get(id);
  if (task === undefined) throw conflict(`exec ${id} is not running`);
  await task.resize(rows, columns);
}

function findExec(context: ContainerContext, id: string): ExecRecord {
  const exec = context.execs.get(id);
  if (exec === undefined) throw notFound(`No such exec instance: ${id}`);
  return exec;
}

type RunningContainer = ContainerRecord & { readonly state: LivingState };

function runningContainer(context: ContainerContext, reference: string): RunningContainer {
  const record = context.table.find(reference);
  const { state } = record;
  if (!isRunning(state)) throw conflict(`container ${record.id} is not running`);
  if (state.status === "paused")
    throw conflict(`Container ${reference} is paused, unpause the container before exec`);
  return { ...record, state };
}

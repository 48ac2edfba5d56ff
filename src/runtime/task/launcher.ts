import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { errnoOf, internal } from "../../errors/index.ts";
import { removeTree, writeFileWhole } from "../../platform/index.ts";
import type { LaunchPlan } from "../plan/index.ts";
import { decodePlan, encodePlan } from "../plan/index.ts";
import type { ExitStatus, Task, TaskLauncher } from "../task.ts";
import { attachToShim } from "./attach.ts";
import { ControlConnection, type ShimState } from "./connection.ts";
import { readExitRecord } from "./exit-record.ts";
import { PHASE } from "./protocol.ts";
import { Standby } from "./standby.ts";

export interface TaskLauncherOptions {
  /** EXEC_ROOT; task folders are made in its folder "tasks". */
  readonly execRoot: string;
  readonly shimPath: string;
  /** Keep a shim waiting for the next launch. */
  readonly standby?: boolean;
}

/** Ids are 64 digits; 128 bits of them name a folder, whose socket's path has to stay short. */
const FOLDER_DIGITS = 32;

export function createTaskLauncher(options: TaskLauncherOptions): TaskLauncher & Disposable {
  const { execRoot, shimPath } = options;
  const tasks = join(execRoot, "tasks");
  mkdirSync(tasks, { recursive: true, mode: 0o711 });
  const standby = options.standby ? new Standby(shimPath, join(tasks, "0".repeat(FOLDER_DIGITS))) : undefined;
  standby?.refillSoon();
  const folderOf = (id: string) => join(tasks, id.slice(0, FOLDER_DIGITS));
  return {
    folderOf,
    async launch(id, plan, { onHooks } = {}) {
      const bytes = encodePlan(plan);
      const folder = folderOf(id);
      mkdirSync(folder, { mode: 0o700 });
      await using undo = new AsyncDisposableStack();
      undo.defer(() => removeTree(folder));
      writeFileWhole(planFile(folder), bytes, 0o600);
      const connection = standby?.take(folder, onHooks) ?? spawnShim(shimPath, folder, onHooks);
      const state = await connection.created.catch(async (error) => {
        await connection.closed;
        throw await withShimLog(error, folder);
      });
      undo.move();
      return taskOf(id, folder, connection, state);
    },
    async reconnect(id) {
      const folder = folderOf(id);
      const connection = await openIfAlive(join(folder, "shim.sock"));
      // A shim about to end may take the connection and never answer; then its record is there.
      const state = await connection?.created.catch(() => undefined);
      if (connection !== undefined && state !== undefined) return taskOf(id, folder, connection, state);
      const record = readExitRecord(folder);
      return record === undefined ? undefined : endedTask(id, folder, record);
    },
    planOf(id) {
      try {
        return decodePlan(readFileSync(planFile(folderOf(id))));
      } catch (error) {
        if (errnoOf(error) === "ENOENT") return undefined;
        throw error;
      }
    },
    async list() {
      return readdirSync(tasks);
    },
    forget: (id) => removeTree(folderOf(id)),
    [Symbol.dispose]: () => standby?.[Symbol.dispose](),
  };
}

/** The plan stays there, for whoever wants to know what a task was made from. */
const planFile = (folder: string): string => join(folder, "plan");

/** Descriptors of this process that the new one gets: stdio (unless it has a terminal), and so many more from 3 on. */
export interface InheritedDescriptors {
  readonly stdio: boolean;
  readonly more: number;
}

export interface DirectLaunch {
  readonly shimPath: string;
  /** An existing folder for the shim's socket, in which the root is mounted. */
  readonly folder: string;
  readonly plan: LaunchPlan;
  readonly inherited: InheritedDescriptors;
  /** Run the hooks that the plan's "runtime-hooks" waits for. */
  readonly onHooks?: (pid: number) => Promise<void>;
}

/**
 * Launch outside of an engine: no id, and descriptors may be passed on. With a plan that says `leave` the promise
 * resolves when the shim has gone, and the process belongs to the nearest subreaper; else the task is as any other.
 */
export async function launchDirectly(launch: DirectLaunch): Promise<Task> {
  const connection = spawnInheritingShim(launch);
  const task = taskOf("", launch.folder, connection, await connection.created);
  if (launch.plan.leave) await connection.closed;
  return task;
}

function spawnShim(
  shimPath: string,
  folder: string,
  onHooks: ((pid: number) => Promise<void>) | undefined,
): ControlConnection {
  using opened = new DisposableStack();
  const open = (file: string, flags: string) =>
    opened.adopt(openSync(file, flags, 0o600), (fd) => closeSync(fd));
  const log = open(join(folder, "shim.log"), "a");
  const plan = open(planFile(folder), "r");
  const shim = spawn(shimPath, ["launch", folder], {
    stdio: [plan, log, log, "pipe"],
    detached: true,
    env: {},
  });
  return controlOf(shim, 3, onHooks);
}

/**
 * The same with descriptors of this process under their own numbers. A runtime puts a child's descriptors into place one
 * after another, so one that went to another number could be overwritten before.
 */
function spawnInheritingShim({
  shimPath,
  folder,
  plan,
  inherited,
  onHooks,
}: DirectLaunch): ControlConnection {
  const { stdio, more } = inherited;
  const control = 3 + more;
  const shim = spawn(shimPath, ["launch", folder, String(control)], {
    stdio: [
      ...(stdio ? [0, 1, 2] : ["ignore" as const, "ignore" as const, 2]),
      ...Array.from({ length: more }, (_, index) => 3 + index),
      "pipe",
      "pipe",
    ],
    detached: true,
    env: {},
  });
  const planPipe = shim.stdio[control + 1];
  if (!(planPipe instanceof Socket)) throw internal("the runtime gave no pipe for the plan");
  planPipe.on("error", () => {});
  planPipe.end(encodePlan(plan));
  return controlOf(shim, control, onHooks);
}

function controlOf(
  shim: ChildProcess,
  fd: number,
  onHooks?: (pid: number) => Promise<void>,
): ControlConnection {
  const control = shim.stdio[fd];
  if (!(control instanceof Socket)) throw internal("the runtime gave no socket to talk to the shim");
  shim.on("error", (cause) => control.destroy(cause));
  shim.unref();
  return new ControlConnection(control, onHooks);
}

async function openIfAlive(path: string): Promise<ControlConnection | undefined> {
  try {
    return await ControlConnection.open(path);
  } catch (error) {
    // Refused: the shim is gone and left its socket's name behind.
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ECONNREFUSED") return undefined;
    throw error;
  }
}

/** A shim that died without a word may have left one in its log. */
async function withShimLog(error: unknown, folder: string): Promise<unknown> {
  if (error instanceof Error && error.message !== "the shim ended before it answered") return error;
  const file = join(folder, "shim.log");
  const log = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  return internal(`the container's shim could not be started${log === "" ? "" : `: ${log}`}`, {
    cause: error,
  });
}

function taskOf(id: string, folder: string, connection: ControlConnection, state: ShimState): Task {
  const socket = join(folder, "shim.sock");
  const started = state.phase === PHASE.CREATED ? undefined : Promise.resolve();
  return {
    id,
    get pid() {
      return connection.state?.pid ?? state.pid;
    },
    shimPid: state.shimPid,
    terminal: state.terminal,
    warnings: connection.warnings,
    async start() {
      if (started === undefined) {
        connection.start();
        await connection.started;
      }
    },
    signal: (number) => connection.signal(number),
    resize: (rows, columns) => connection.resize(rows, columns),
    attach: (which) => attachToShim(socket, which),
    onOutOfMemory: (tell) => connection.onOutOfMemory(tell),
    ended: endOf(folder, connection, state),
    async remove() {
      connection.forget();
      await connection.closed;
      await removeTree(folder);
    },
  };
}

/** The end as told, or as recorded by a shim that we lost the connection to. */
async function endOf(folder: string, connection: ControlConnection, state: ShimState): Promise<ExitStatus> {
  if (state.phase === PHASE.ENDED) connection.forget();
  const told = await connection.ended;
  if (told !== undefined) return told;
  const recorded = readExitRecord(folder);
  if (recorded !== undefined) return recorded;
  const SIGKILL = 9;
  return {
    exitCode: 128 + SIGKILL,
    signal: SIGKILL,
    oomKilled: false,
    startedAtNs: 0n,
    exitedAtNs: BigInt(Date.now()) * 1_000_000n,
  };
}

function endedTask(id: string, folder: string, record: ExitStatus): Task {
  const gone = async () => {
    throw internal(`task ${id} has ended`);
  };
  return {
    id,
    pid: 0,
    shimPid: 0,
    terminal: false,
    warnings: [],
    start: gone,
    signal: gone,
    resize: gone,
    attach: gone,
    onOutOfMemory: () => {},
    ended: Promise.resolve(record),
    remove: () => removeTree(folder),
  };
}

import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { errnoOf, internal } from "../../errors/index.ts";
import { removeTree } from "../../platform/index.ts";
import { encodePlan } from "../plan/index.ts";
import type { ExitStatus, Task, TaskLauncher } from "../task.ts";
import { attachToShim } from "./attach.ts";
import { ControlConnection, type ShimState } from "./connection.ts";
import { readExitRecord } from "./exit-record.ts";
import { PHASE } from "./protocol.ts";

export interface TaskLauncherOptions {
  /** EXEC_ROOT; task folders are made in its folder "tasks". */
  readonly execRoot: string;
  readonly shimPath: string;
}

/** Ids are 64 digits; 128 bits of them name a folder, whose socket's path has to stay short. */
const FOLDER_DIGITS = 32;

export function createTaskLauncher({ execRoot, shimPath }: TaskLauncherOptions): TaskLauncher {
  const tasks = join(execRoot, "tasks");
  mkdirSync(tasks, { recursive: true, mode: 0o711 });
  const folderOf = (id: string) => join(tasks, id.slice(0, FOLDER_DIGITS));
  return {
    async launch(id, plan) {
      const bytes = encodePlan(plan);
      const folder = folderOf(id);
      mkdirSync(folder, { mode: 0o700 });
      const connection = spawnShim(shimPath, folder, bytes);
      try {
        return taskOf(id, folder, connection, await connection.created);
      } catch (error) {
        await connection.closed;
        throw await withShimLog(error, folder).finally(() => removeTree(folder));
      }
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
    async list() {
      return readdirSync(tasks);
    },
    forget: (id) => removeTree(folderOf(id)),
  };
}

function spawnShim(shimPath: string, folder: string, plan: Buffer): ControlConnection {
  const log = openSync(join(folder, "shim.log"), "a", 0o600);
  try {
    const shim = spawn(shimPath, ["launch", folder], {
      stdio: ["pipe", log, log, "pipe"],
      detached: true,
      env: {},
    });
    const control = shim.stdio[3];
    if (!(control instanceof Socket)) throw internal("the runtime gave no socket to talk to the shim");
    // A shim that dies before it has read the plan is told of by its connection's close.
    shim.stdin?.on("error", () => {});
    shim.stdin?.end(plan);
    shim.on("error", (cause) => control.destroy(cause));
    shim.unref();
    return new ControlConnection(control);
  } finally {
    closeSync(log);
  }
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
  const log = readFileSync(join(folder, "shim.log"), "utf8").trim();
  return internal(`the container's shim could not be started${log === "" ? "" : `: ${log}`}`, {
    cause: error,
  });
}

function taskOf(id: string, folder: string, connection: ControlConnection, state: ShimState): Task {
  const socket = join(folder, "shim.sock");
  const started = state.phase === PHASE.CREATED ? undefined : Promise.resolve();
  return {
    id,
    pid: state.pid,
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
    ended: Promise.resolve(record),
    remove: () => removeTree(folder),
  };
}

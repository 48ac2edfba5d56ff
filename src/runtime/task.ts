import type { Readable, Writable } from "node:stream";
import type { ScopeName } from "./cgroup/placement.ts";
import type { RuntimeBundle } from "./foreign/bundle.ts";
import type { DecodedPlan } from "./plan/decode.ts";
import type { LaunchPlan, OperationName } from "./plan/operations.ts";
import type { LinuxResources } from "./spec/types.ts";

/**
 * A task is the running process tree of a container (or of one exec in it) with the shim that is its parent.
 *
 * Life cycle: `launch` → created (everything done but execve) → `start` → running → ended → `remove`.
 * The shim outlives the daemon: after a restart `reconnect` finds the task again, running or ended.
 */

export interface ExitStatus {
  /** As a shell has it: the exit code, or 128 + signal. */
  readonly exitCode: number;
  /** The signal that ended it, 0 for none. */
  readonly signal: number;
  readonly oomKilled: boolean;
  /** Nanoseconds since the epoch; 0n when the process never started. */
  readonly startedAtNs: bigint;
  readonly exitedAtNs: bigint;
}

/** The operation of a plan that the kernel refused. */
export interface PlanFailure {
  readonly index: number;
  readonly op: OperationName;
  /** Such as "ENOENT". */
  readonly errno: string;
  /** What the shim was doing, in words: "openat2 /etc/passwd", "execve /bin/nope". */
  readonly detail: string;
}

/** One client's connection to a task's stdio. Owned by the caller, who closes it with `close` (or `await using`). */
export interface TaskStreams extends AsyncDisposable {
  /**
   * Output from the moment of attaching on. With a terminal: raw bytes. Without: frames as the Docker API has them
   * (byte 0 = 1 stdout or 2 stderr, bytes 4–7 = big-endian length). Ends when the task has ended and all was read.
   * Reading slowly holds the task back, as with Docker.
   */
  readonly output: Readable;
  /** Present when attached with stdin; ending it is end of file for the process. */
  readonly input?: Writable;
  close(): Promise<void>;
}

export interface Task {
  readonly id: string;
  /** pid of the container's first process, in the engine's pid namespace; 0 of a task that was found ended. */
  readonly pid: number;
  readonly shimPid: number;
  readonly terminal: boolean;
  /** Warnings of the launch (a clamped limit), as sentences. */
  readonly warnings: readonly string[];
  /** Run to execve. Rejects with `LaunchError` when the program cannot be executed. Resolves once execve has succeeded. */
  start(): Promise<void>;
  /** Send a signal to the first process. Rejects with not-found when it has ended. */
  signal(signal: number): Promise<void>;
  /** Size of the terminal in cells. */
  resize(rows: number, columns: number): Promise<void>;
  attach(which: { stdin: boolean; stdout: boolean; stderr: boolean }): Promise<TaskStreams>;
  /**
   * Hear of each time that memory ran out below the limit while it runs, those from before included. Where the kernel kills
   * for it, one kill may be told here or by `ended` alone.
   */
  onOutOfMemory(tell: () => void): void;
  /** Resolves once, after all output is in the log file and the exit status is on disk. */
  readonly ended: Promise<ExitStatus>;
  /** Forget an ended (or never started) task: kills what is left of it, waits for its shim, removes its state folder. */
  remove(): Promise<void>;
}

export interface LaunchOptions {
  /** Another runtime makes it. */
  readonly bundle?: RuntimeBundle;
  /** Run the hooks that the plan's "runtime-hooks" waits for; a failure ends the launch. */
  readonly onHooks?: (pid: number) => Promise<void>;
  /** systemd(1) makes its control group. */
  readonly scope?: { readonly name: ScopeName; readonly resources: LinuxResources };
}

/** The same task, with some of what it does done otherwise. */
export function taskWith(task: Task, own: Partial<Pick<Task, "start" | "signal" | "remove">>): Task {
  return {
    id: task.id,
    // A process that another runtime makes is known only after the start.
    get pid() {
      return task.pid;
    },
    shimPid: task.shimPid,
    terminal: task.terminal,
    warnings: task.warnings,
    start: () => task.start(),
    signal: (number) => task.signal(number),
    resize: (rows, columns) => task.resize(rows, columns),
    attach: (which) => task.attach(which),
    onOutOfMemory: (tell) => task.onOutOfMemory(tell),
    ended: task.ended,
    remove: () => task.remove(),
    ...own,
  };
}

export interface TaskLauncher {
  /** Where a task's state lies; the root file system is mounted there, in the container's own mount namespace. */
  folderOf(id: string): string;
  /** `id` names the state folder; for an exec it is the exec's own id. Rejects with `LaunchError`; then nothing is left behind. */
  launch(id: string, plan: LaunchPlan, how?: LaunchOptions): Promise<Task>;
  /** undefined when the engine has no such task (the machine restarted). */
  reconnect(id: string): Promise<Task | undefined>;
  /** What a task was made from, as its shim was given it; undefined when there is no such task. */
  planOf(id: string): DecodedPlan | undefined;
  /** Names of the folders of all tasks: the first digits of their ids. `reconnect` takes them as ids. */
  list(): Promise<string[]>;
  /** Remove the folder of a task that `reconnect` could not find. */
  forget(id: string): Promise<void>;
}

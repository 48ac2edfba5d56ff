import type { ExitStatus } from "../runtime/index.ts";
import type { ContainerState, ContainerStatus } from "../wire/index.ts";

/**
 * The life of a container as a type. Every change is made by one of the functions below and written in one database
 * transaction; a state that these functions cannot make does not exist.
 *
 *   created ──start──▶ running ──end──▶ exited ──start──▶ running …        running ◀──pause, unpause──▶ paused
 *      │ failed start keeps its state and remembers why       │
 *      └────────────── remove ──────────▶ removing ◀──────────┘        exited ──policy──▶ restarting ──▶ running
 */
export type ContainerLifeState =
  | { readonly status: "created"; readonly failure?: StartFailure }
  | { readonly status: "running" | "paused"; readonly pid: number; readonly startedAtNs: bigint }
  | { readonly status: "restarting"; readonly last: Ending }
  | {
      readonly status: "exited";
      readonly last: Ending;
      readonly stoppedByUser: boolean;
      readonly failure?: StartFailure;
    }
  | { readonly status: "removing"; readonly last?: Ending };

/** Why the last start did not come to execve. */
export interface StartFailure {
  readonly exitCode: number;
  readonly message: string;
}

export type Ending = Pick<ExitStatus, "exitCode" | "oomKilled" | "startedAtNs" | "exitedAtNs">;

export const created = (): ContainerLifeState => ({ status: "created" });

export const running = (pid: number, startedAtNs: bigint): ContainerLifeState => ({
  status: "running",
  pid,
  startedAtNs,
});

/** Its processes stand still. */
export const paused = ({ pid, startedAtNs }: LivingState): ContainerLifeState => ({
  status: "paused",
  pid,
  startedAtNs,
});

export const unpaused = ({ pid, startedAtNs }: LivingState): ContainerLifeState => running(pid, startedAtNs);

/** A start that failed leaves the container as it was, with the reason. */
export function failed(state: ContainerLifeState, failure: StartFailure): ContainerLifeState {
  if (state.status === "exited") return { ...state, failure };
  if (state.status === "restarting")
    return { status: "exited", last: state.last, stoppedByUser: false, failure };
  return { status: "created", failure };
}

export const exited = (last: Ending, stoppedByUser: boolean): ContainerLifeState => ({
  status: "exited",
  last,
  stoppedByUser,
});

export const restarting = (last: Ending): ContainerLifeState => ({ status: "restarting", last });

export const removing = (state: ContainerLifeState): ContainerLifeState => {
  const last = endingOf(state);
  return last === undefined ? { status: "removing" } : { status: "removing", last };
};

export type LivingState = Extract<ContainerLifeState, { pid: number }>;

/** It has processes, paused or not. */
export const isRunning = (state: ContainerLifeState): state is LivingState => "pid" in state;

export function endingOf(state: ContainerLifeState): Ending | undefined {
  return "last" in state ? state.last : undefined;
}

/** Exit code as `wait` and `ps` give it: of the last run, or of the start that failed, else 0. */
export function exitCodeOf(state: ContainerLifeState): number {
  if ("failure" in state && state.failure !== undefined) return state.failure.exitCode;
  return endingOf(state)?.exitCode ?? 0;
}

/** `State` of inspect. */
export function describeState(state: ContainerLifeState, formatTime: (ns: bigint) => string): ContainerState {
  const last = endingOf(state);
  const status: ContainerStatus = state.status;
  return {
    Status: status,
    // Docker counts a container that waits for its restart as running too.
    Running: isRunning(state) || status === "restarting",
    Paused: status === "paused",
    Restarting: status === "restarting",
    OOMKilled: last?.oomKilled ?? false,
    Dead: false,
    Pid: isRunning(state) ? state.pid : 0,
    ExitCode: exitCodeOf(state),
    Error: "failure" in state && state.failure !== undefined ? state.failure.message : "",
    StartedAt: formatTime(isRunning(state) ? state.startedAtNs : (last?.startedAtNs ?? 0n)),
    FinishedAt: formatTime(last?.exitedAtNs ?? 0n),
  };
}

import type { Task } from "../runtime/index.ts";
import type { Health } from "../wire/index.ts";
import type { WaitResult } from "./service.ts";

/** An attachment that was made before there was a task to attach to. */
export interface WaitingAttachment {
  connect(task: Task): Promise<void>;
  /** The container will not start for this attachment any more. */
  abandon(): void;
}

/** What exists of a container only while the daemon runs: its task and everybody who waits for something. */
export interface LiveContainer {
  readonly id: string;
  task: Task | undefined;
  /** Settles when the end of the present task has been written down; undefined when none runs. */
  end: Promise<void> | undefined;
  /** Of the present task: an event told that its memory ran out. */
  isOutOfMemoryTold: boolean;
  /** A stop or kill by the user since the last start: restart policies leave the container alone. */
  stoppedByUser: boolean;
  /** The wait before a restart by policy. */
  restartTimer: NodeJS.Timeout | undefined;
  /** Starts by policy in a row, for the growing wait between them. */
  quickRestarts: number;
  /** Of the present or last run; undefined without a health check. */
  health: Health | undefined;
  healthWatch: AbortController | undefined;
  readonly attachments: Set<WaitingAttachment>;
  readonly exitWaiters: Set<(result: WaitResult) => void>;
  readonly removalWaiters: Set<(result: WaitResult) => void>;
}

export interface LiveContainers {
  /** The live side of a container, made on first use. */
  of(id: string): LiveContainer;
  /** Without making one. */
  peek(id: string): LiveContainer | undefined;
  forget(id: string): void;
}

export function createLiveContainers(): LiveContainers {
  const byId = new Map<string, LiveContainer>();
  return {
    of(id) {
      const known = byId.get(id);
      if (known !== undefined) return known;
      const live: LiveContainer = {
        id,
        task: undefined,
        end: undefined,
        isOutOfMemoryTold: false,
        stoppedByUser: false,
        restartTimer: undefined,
        quickRestarts: 0,
        health: undefined,
        healthWatch: undefined,
        attachments: new Set(),
        exitWaiters: new Set(),
        removalWaiters: new Set(),
      };
      byId.set(id, live);
      return live;
    },
    peek: (id) => byId.get(id),
    forget: (id) => byId.delete(id),
  };
}

export function settle(waiters: Set<(result: WaitResult) => void>, result: WaitResult): void {
  const all = [...waiters];
  waiters.clear();
  for (const waiter of all) waiter(result);
}

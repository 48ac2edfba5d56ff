import { cancelled } from "../errors/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import type { WaitCondition, WaitResult } from "./service.ts";
import { exitCodeOf, isRunning } from "./state.ts";

/**
 * Wait for a container to stop running, to exit once more, or to be removed. The container is looked up at once;
 * the result settles later, or rejects with cancelled when `signal` aborts.
 */
export function waitForContainer(
  context: ContainerContext,
  reference: string,
  condition: WaitCondition,
  signal: AbortSignal,
): { result: Promise<WaitResult> } {
  const { id, state } = context.table.find(reference);
  const stopped = !isRunning(state) && state.status !== "restarting";
  if (condition === "not-running" && stopped)
    return { result: Promise.resolve({ statusCode: exitCodeOf(state) }) };

  const live = context.live.of(id);
  const waiters = condition === "removed" ? live.removalWaiters : live.exitWaiters;
  const { promise, resolve, reject } = Promise.withResolvers<WaitResult>();
  waiters.add(resolve);
  const abort = () => {
    waiters.delete(resolve);
    reject(cancelled(`the wait for container ${reference} was given up`));
  };
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return { result: promise.finally(() => signal.removeEventListener("abort", abort)) };
}

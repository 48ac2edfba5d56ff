import { watch } from "node:fs";
import { basename, dirname } from "node:path";

export interface FileWatch extends Disposable {
  /**
   * Resolves when the file has changed since the last call resolved (for the first call: since the watch was made), at
   * once if it already has; also, once, when `signal` is aborted. One caller at a time.
   */
  changed(signal: AbortSignal): Promise<void>;
}

/**
 * Watch one name in its folder: growth, replacement, renaming away, removal (inotify(7) on the folder, so that the
 * name may come and go). The folder must exist. The kernel's watch is in place when this returns: what is read
 * after a call of `changed` has resolved, and before the next call, can miss nothing.
 */
export function watchFile(path: string): FileWatch {
  const name = basename(path);
  let dirty = false;
  let wake: (() => void) | undefined;
  const notify = () => {
    dirty = true;
    wake?.();
  };
  const watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
    if (changed === null || changed === name) notify();
  });
  // The folder itself was removed: the reader finds out by looking.
  watcher.on("error", notify);
  return {
    async changed(signal) {
      if (!dirty && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const abort = () => resolve();
        signal.addEventListener("abort", abort, { once: true });
        await promise;
        signal.removeEventListener("abort", abort);
        wake = undefined;
      }
      dirty = false;
    },
    [Symbol.dispose]: () => watcher.close(),
  };
}

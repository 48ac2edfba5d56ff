import { watch } from "node:fs";
import { basename, dirname } from "node:path";

/**
 * Bun drops an event that follows another one within about two milliseconds, on any watch of the same folder (measured
 * with Bun 1.4: every second one; Node drops none). So each event, and the making of the watch, is followed by one
 * more look after that time. An idle file costs nothing.
 */
const SECOND_LOOK_MS = 10;

export interface FileWatch extends Disposable {
  /**
   * Resolves when the file has changed since the last call resolved (for the first call: since the watch was made), at
   * once if it already has; also, once, when `signal` is aborted. One caller at a time.
   */
  changed(signal: AbortSignal): Promise<void>;
}

/**
 * Watch one name in its folder: growth, replacement, renaming away, removal (inotify(7) on the folder, so that the
 * name may come and go). The folder must exist. The kernel's watch is in place when this returns: who reads to the end
 * after each time that `changed` resolves misses nothing. It may also resolve without any change.
 */
export function watchFile(path: string): FileWatch {
  const name = basename(path);
  let dirty = false;
  let wake: (() => void) | undefined;
  const notify = () => {
    dirty = true;
    wake?.();
  };
  const secondLook = setTimeout(notify, SECOND_LOOK_MS);
  const watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
    secondLook.refresh();
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
    [Symbol.dispose]() {
      clearTimeout(secondLook);
      watcher.close();
    },
  };
}

import { uptime } from "node:os";
import { messageOf } from "../errors/index.ts";
import { bootId, runHelper } from "../platform/index.ts";
import type { Store } from "../store/index.ts";

export interface SettlingOptions {
  readonly store: Store;
  /** The native helper. */
  readonly shim: string;
  /** A folder of the file system that has blobs and layers. */
  readonly folder: string;
  /** Told when the disk refuses. */
  readonly onFailure: (sentence: string) => void;
}

/**
 * Which images are not on the disk yet. An image comes in without waiting for the disk, which would cost it as much
 * time as all the rest; instead it is noted in the transaction that writes its rows, the file system is synced behind
 * its back, and the note goes. Notes of an earlier boot name what a failure of power may have torn (`suspects`).
 */
export class Settling implements Disposable {
  readonly #options: SettlingOptions;
  readonly #boot = bootId();
  readonly #stop = new AbortController();
  #isRunning = false;

  constructor(options: SettlingOptions) {
    this.#options = options;
  }

  /** Call in the transaction that writes the image's rows. */
  note(imageId: string): void {
    const { store } = this.#options;
    store.database
      .prepare("INSERT INTO image_unsettled (image_id, boot_id) VALUES (?, ?)")
      .run(imageId, this.#boot);
    store.afterCommit(() => this.start());
  }

  /** Images that came in during an earlier boot, of which nobody knows whether the disk has them. */
  suspects(): string[] {
    return this.#options.store.database
      .prepare("SELECT DISTINCT image_id FROM image_unsettled WHERE boot_id <> ? ORDER BY image_id")
      .all(this.#boot)
      .map((row) => String(row.image_id));
  }

  /** What was in doubt has been checked, and is as good as if it had just come in. */
  trust(imageIds: readonly string[]): void {
    const update = this.#options.store.database.prepare(
      "UPDATE image_unsettled SET boot_id = ? WHERE image_id = ?",
    );
    for (const id of imageIds) update.run(this.#boot, id);
  }

  /** Bring what is noted to the disk, unless that is going on: then what was noted meanwhile follows. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run().finally(() => {
      this.#isRunning = false;
    });
  }

  async #run(): Promise<void> {
    const { store, shim, folder, onFailure } = this.#options;
    while (!this.#stop.signal.aborted) {
      const row = store.database
        .prepare("SELECT max(number) AS newest FROM image_unsettled WHERE boot_id = ?")
        .get(this.#boot);
      const newest = row?.newest;
      if (newest === null || newest === undefined) return;
      try {
        const { code, stderr } = await runHelper(shim, ["sync", folder], "", this.#stop.signal);
        if (code !== 0) return onFailure(`images are not safe on the disk yet: ${stderr.trim()}`);
      } catch (error) {
        if (!this.#stop.signal.aborted) onFailure(`images are not safe on the disk yet: ${messageOf(error)}`);
        return;
      }
      if (this.#stop.signal.aborted) return;
      store.database
        .prepare("DELETE FROM image_unsettled WHERE boot_id = ? AND number <= ?")
        .run(this.#boot, Number(newest));
    }
  }

  /** Stop; what is noted stays so, for the next daemon. */
  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}

/** Milliseconds since the epoch at which this run of the kernel began. */
export const bootTimeMs = (): number => Date.now() - uptime() * 1000;

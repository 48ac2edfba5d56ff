import { cancelled } from "../errors/index.ts";

/** Builds that run under an id of their client's choice. */
export class RunningBuilds {
  readonly #builds = new Map<string, Set<AbortController>>();

  /** "" is the id of builds that nobody can name. With the disposal the build is no longer known. */
  add(id: string, stop: AbortController): Disposable {
    const builds = this.#builds.get(id) ?? new Set();
    if (id !== "") this.#builds.set(id, builds.add(stop));
    return {
      [Symbol.dispose]: () => {
        builds.delete(stop);
        if (builds.size === 0) this.#builds.delete(id);
      },
    };
  }

  /** One that has ended, or never was, need not be stopped. */
  cancel(id: string): void {
    for (const stop of this.#builds.get(id) ?? []) stop.abort(cancelled("context canceled"));
  }
}

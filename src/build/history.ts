import { EngineError, messageOf } from "../errors/index.ts";
import type { BuildEvent } from "./events.ts";
import type { BuildHistoryEntry, BuildRequest } from "./service.ts";

const KEPT = 50;

/** The builds of this daemon's life. */
export class BuildHistory {
  readonly #entries: Running[] = [];

  begin(id: string, request: BuildRequest): Running {
    const entry = new Running(id, request.tags[0] ?? "");
    this.#entries.unshift(entry);
    this.#entries.splice(KEPT);
    return entry;
  }

  list(): BuildHistoryEntry[] {
    return this.#entries.map((entry) => entry.describe());
  }
}

class Running {
  readonly #id: string;
  readonly #name: string;
  readonly #startedAtMs = Date.now();
  #endedAtMs: number | undefined;
  #status: BuildHistoryEntry["status"] = "running";
  #error = "";
  #steps = 0;
  #cached = 0;

  constructor(id: string, name: string) {
    this.#id = id;
    this.#name = name;
  }

  see(event: BuildEvent): void {
    if (event.kind === "plan") this.#steps = event.steps.length;
    if (event.kind === "finished" && event.cached) this.#cached++;
  }

  end(error: unknown): void {
    this.#endedAtMs = Date.now();
    const isCancelled = error instanceof EngineError && error.kind === "cancelled";
    this.#status = error === undefined ? "completed" : isCancelled ? "canceled" : "error";
    this.#error = error === undefined ? "" : messageOf(error);
  }

  describe(): BuildHistoryEntry {
    return {
      id: this.#id,
      name: this.#name,
      startedAtMs: this.#startedAtMs,
      durationMs: (this.#endedAtMs ?? Date.now()) - this.#startedAtMs,
      status: this.#status,
      steps: this.#steps,
      cachedSteps: this.#cached,
      error: this.#error,
    };
  }
}

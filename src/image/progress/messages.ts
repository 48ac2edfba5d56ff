import { humanSize } from "../../units/index.ts";
import type { ProgressMessage } from "../../wire/index.ts";

/** A line about one layer, in the order of fields in which Docker writes them. */
export function layerMessage(id: string, status: string, current = 0, total = 0): ProgressMessage {
  return { ...progressMessage(status, current, total), id };
}

/** A line about what has no id. */
export function progressMessage(status: string, current: number, total: number): ProgressMessage {
  const progress = progressBar(current, total);
  if (progress === "") return { status, progressDetail: {} };
  return { status, progressDetail: { current, ...(total > 0 ? { total } : {}) }, progress };
}

const WIDTH = 50;

/** "[=====>      ]  1.234MB/5.678MB", as Docker's daemon draws it for clients that do not draw themselves. */
export function progressBar(current: number, total: number): string {
  if (current <= 0 && total <= 0) return "";
  if (total <= 0) return humanSize(current).padStart(8);
  const done = Math.min(WIDTH, Math.floor(Math.floor((current / total) * 100) / 2));
  const box = `[${"=".repeat(done)}>${" ".repeat(WIDTH - done)}] `;
  const now = humanSize(current).padStart(8);
  return current > total ? box + now : `${box}${now}/${humanSize(total)}`;
}

/** A layer's id in progress messages: twelve digits of its digest. */
export const layerId = (digest: string): string => digest.slice("sha256:".length, "sha256:".length + 12);

/** Messages of the same layer closer together than this help nobody. */
const INTERVAL_MS = 100;

/** Tells of a layer's bytes as they pass, now and then and at the end. */
export class LayerMeter {
  readonly #id: string | undefined;
  readonly #report: (message: ProgressMessage) => void;
  #lastMs = 0;

  /** Without an id the messages have none. */
  constructor(id: string | undefined, report: (message: ProgressMessage) => void) {
    this.#id = id;
    this.#report = report;
  }

  say(status: string): void {
    this.#tell(status, 0, 0);
  }

  count(status: string, current: number, total: number): void {
    const now = performance.now();
    if (current < total && now - this.#lastMs < INTERVAL_MS) return;
    this.#lastMs = now;
    this.#tell(status, current, total);
  }

  #tell(status: string, current: number, total: number): void {
    const id = this.#id;
    this.#report(
      id === undefined ? progressMessage(status, current, total) : layerMessage(id, status, current, total),
    );
  }
}

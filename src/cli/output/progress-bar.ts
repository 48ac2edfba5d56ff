import { humanSize } from "../../units/index.ts";

/** How far the bytes of one line are, with what was seen of them so far. */
export class ProgressBar {
  #status = "";
  #startMs = 0;
  #startBytes = 0;

  /**
   * "[=====>     ]  12.3MB/45.6MB  8.1MB/s  4s", cut to what fits into `columns`. The rate is that of this status since
   * its first message, so that bytes which were there before do not count.
   */
  text(status: string, current: number, total: number, nowMs: number, columns: number): string {
    if (status !== this.#status) {
      this.#status = status;
      this.#startMs = nowMs;
      this.#startBytes = current;
    }
    const numbers =
      total > 0 ? `${humanSize(current).padStart(8)}/${humanSize(total)}` : humanSize(current).padStart(8);
    const rate = this.#rate(current, nowMs);
    const left = rate > 0 && total > current ? `  ${seconds((total - current) / rate)}` : "";
    const speed = rate > 0 && current < total ? `  ${humanSize(rate, 3)}/s${left}` : "";
    const width = Math.min(MAX_BAR, columns - numbers.length - speed.length - 4);
    if (total <= 0 || width < MIN_BAR) return `${numbers}${speed}`;
    const done = Math.floor(Math.min(1, current / total) * width);
    return `[${"=".repeat(done)}>${" ".repeat(width - done)}] ${numbers}${speed}`;
  }

  /** Bytes a second; 0 as long as too little was seen. */
  #rate(current: number, nowMs: number): number {
    const passedMs = nowMs - this.#startMs;
    return passedMs < MIN_MS ? 0 : ((current - this.#startBytes) / passedMs) * 1000;
  }
}

const MAX_BAR = 50;
const MIN_BAR = 10;
const MIN_MS = 200;

function seconds(count: number): string {
  const whole = Math.ceil(count);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, "0")}s`;
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
}

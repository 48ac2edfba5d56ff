import type { BuildProgressEvent } from "../../wire/index.ts";
import { clipToColumns, columnsOf, printable } from "../output/columns.ts";

/** Shows a build to a person or a program. */
export interface BuildDisplay {
  show(event: BuildProgressEvent): void;
  /** Leave the terminal to another, until the next event is shown. */
  pause(): void;
  /** After the last event, whether it went well or not. */
  close(): void;
}

type Write = (text: string) => void;
type Step = Extract<BuildProgressEvent, { kind: "plan" }>["steps"][number];

/** One JSON object a line. */
export const rawDisplay = (write: Write): BuildDisplay => ({
  show: (event) => write(`${JSON.stringify(event)}\n`),
  pause: () => undefined,
  close: () => undefined,
});

export const quietDisplay: BuildDisplay = {
  show: () => undefined,
  pause: () => undefined,
  close: () => undefined,
};

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)}s`;

/** "[stage 2/5] RUN x": where a step stands in its stage. */
function labels(steps: readonly Step[]): Map<number, string> {
  const counts = new Map<string, number>();
  const work = steps.filter(({ isMetadata }) => !isMetadata);
  for (const { stage } of work) counts.set(stage, (counts.get(stage) ?? 0) + 1);
  const seen = new Map<string, number>();
  return new Map(
    work.map(({ step, stage, text }) => {
      const at = (seen.get(stage) ?? 0) + 1;
      seen.set(stage, at);
      return [step, `[${stage} ${at}/${counts.get(stage)}] ${text}`];
    }),
  );
}

/** Every line once, as it comes, with the number of its step before it. */
export class PlainDisplay implements BuildDisplay {
  readonly #write: Write;
  #labels = new Map<number, string>();
  readonly #started = new Map<number, number>();
  readonly #rest = new Map<number, string>();

  constructor(write: Write) {
    this.#write = write;
  }

  show(event: BuildProgressEvent): void {
    if ("step" in event && !this.#labels.has(event.step)) return;
    switch (event.kind) {
      case "plan":
        this.#labels = labels(event.steps);
        break;
      case "started":
        this.#started.set(event.step, event.atMs);
        this.#write(`#${event.step} ${this.#labels.get(event.step)}\n`);
        break;
      case "output": {
        const text = (this.#rest.get(event.step) ?? "") + Buffer.from(event.data, "base64").toString("utf8");
        const lines = text.split("\n");
        this.#rest.set(event.step, lines.pop() ?? "");
        for (const line of lines) this.#line(event.step, line);
        break;
      }
      case "finished":
        this.#flush(event.step);
        this.#write(
          `#${event.step} ${event.cached ? "CACHED" : `DONE ${this.#took(event.step, event.atMs)}`}\n`,
        );
        break;
      case "failed":
        this.#flush(event.step);
        this.#write(`#${event.step} ERROR: ${event.message}\n`);
        break;
      case "warning":
        this.#write(`WARN: ${event.rule}: ${event.message} (line ${event.line})\n`);
        break;
      case "note":
        this.#write(`${event.text}\n`);
        break;
      case "image":
        this.#write(`writing image ${event.id}\n${event.tags.map((tag) => `naming to ${tag}\n`).join("")}`);
    }
  }

  pause(): void {
    this.close();
  }

  close(): void {
    for (const step of this.#rest.keys()) this.#flush(step);
  }

  #line(step: number, line: string): void {
    this.#write(
      `#${step} ${((Date.now() - (this.#started.get(step) ?? Date.now())) / 1000).toFixed(3)} ${line}\n`,
    );
  }

  #flush(step: number): void {
    const rest = this.#rest.get(step) ?? "";
    this.#rest.delete(step);
    if (rest !== "") this.#line(step, rest);
  }

  #took(step: number, atMs: number): string {
    return seconds(atMs - (this.#started.get(step) ?? atMs));
  }
}

interface Row {
  readonly label: string;
  startedAtMs: number;
  endedAtMs: number | undefined;
  state: "running" | "done" | "cached" | "failed";
  output: string;
}

const LAST_LINES = 5;
const REDRAW_MS = 120;

/** A tree of steps on a terminal, drawn again in place: times, what comes from the cache, the last lines of what runs. */
export class LiveDisplay implements BuildDisplay {
  readonly #write: Write;
  readonly #size: () => { rows: number; columns: number };
  readonly #rows = new Map<number, Row>();
  #labels = new Map<number, string>();
  #drawn = 0;
  readonly #notes: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #startedAtMs = Date.now();

  constructor(write: Write, size: () => { rows: number; columns: number }) {
    this.#write = write;
    this.#size = size;
  }

  show(event: BuildProgressEvent): void {
    // Times go on while nothing happens.
    this.#timer ??= setInterval(() => this.#draw(), REDRAW_MS);
    switch (event.kind) {
      case "plan":
        this.#labels = labels(event.steps);
        break;
      case "started":
        if (this.#labels.has(event.step)) {
          const label = this.#labels.get(event.step) ?? "";
          this.#rows.set(event.step, {
            label,
            startedAtMs: event.atMs,
            endedAtMs: undefined,
            state: "running",
            output: "",
          });
        }
        break;
      case "output": {
        const row = this.#rows.get(event.step);
        if (row !== undefined)
          row.output = (row.output + Buffer.from(event.data, "base64").toString("utf8")).slice(-8192);
        break;
      }
      case "finished":
        this.#end(event.step, event.atMs, event.cached ? "cached" : "done");
        break;
      case "failed":
        this.#end(event.step, event.atMs, "failed");
        break;
      case "warning":
        this.#notes.push(`WARN: ${event.rule}: ${event.message} (line ${event.line})`);
        break;
      case "note":
        this.#notes.push(event.text);
        break;
      case "image":
        this.#notes.push(`image ${event.id}`, ...event.tags.map((tag) => `naming to ${tag}`));
    }
  }

  pause(): void {
    this.close();
    // What stands there is another's from now on.
    this.#drawn = 0;
  }

  close(): void {
    // What was written since it was closed is not drawn over.
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    // Nothing is drawn over this any more, so that it may scroll, and stay whole.
    const { columns } = this.#size();
    this.#replace([...this.#tree(columns), ...this.#notes.map(printable)]);
  }

  #end(step: number, atMs: number, state: Row["state"]): void {
    const row = this.#rows.get(step);
    if (row === undefined) return;
    row.endedAtMs = atMs;
    row.state = state;
  }

  #draw(): void {
    const { rows, columns } = this.#size();
    const lines = [...this.#tree(columns), ...this.#notes.map(printable)];
    // What does not fit scrolled away: the end is what matters.
    this.#replace(lines.slice(-Math.max(3, rows - 1)).map((line) => clipToColumns(line, columns)));
  }

  #tree(columns: number): string[] {
    const done = [...this.#rows.values()].filter(({ state }) => state !== "running").length;
    const lines = [`Building ${seconds(Date.now() - this.#startedAtMs)} (${done}/${this.#labels.size})`];
    for (const [, row] of [...this.#rows].sort(([a], [b]) => a - b)) lines.push(...rowLines(row, columns));
    return lines;
  }

  #replace(lines: readonly string[]): void {
    const up = this.#drawn === 0 ? "" : `\x1b[${this.#drawn}A`;
    this.#write(`${up}\x1b[J${lines.map((line) => `${line}\n`).join("")}`);
    this.#drawn = lines.length;
  }
}

function rowLines(row: Row, columns: number): string[] {
  const mark = { running: "=>", done: "=>", cached: "=> CACHED", failed: "=> ERROR" }[row.state];
  const time = row.state === "cached" ? "" : ` ${seconds((row.endedAtMs ?? Date.now()) - row.startedAtMs)}`;
  const label = printable(row.label.replaceAll(/\s+/g, " "));
  const head = clipToColumns(` ${mark} ${label}`, columns - time.length - 1);
  const gap = " ".repeat(Math.max(0, columns - 1 - columnsOf(head) - time.length));
  const lines = [head + gap + time];
  if (row.state !== "running" && row.state !== "failed") return lines;
  const output = row.output.replace(/\n$/, "").split("\n").slice(-LAST_LINES);
  const shown = output
    .filter((line) => line !== "")
    .map((line) => clipToColumns(` =>   # ${printable(line)}`, columns));
  return [...lines, ...shown];
}

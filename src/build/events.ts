import { EngineError } from "../errors/index.ts";
import type { Finding } from "./finding.ts";

/** What a build tells while it runs. Steps are numbered in the order of the Dockerfile. */
export type BuildEvent =
  /** All steps that there will be, before the first one begins. */
  | { readonly kind: "plan"; readonly steps: readonly StepInfo[] }
  | { readonly kind: "started"; readonly step: number; readonly atMs: number }
  | { readonly kind: "output"; readonly step: number; readonly stream: 1 | 2; readonly bytes: Buffer }
  | {
      readonly kind: "finished";
      readonly step: number;
      readonly atMs: number;
      readonly cached: boolean;
      /** Names the result: an image's or layer's digest. */
      readonly result: string;
    }
  | { readonly kind: "failed"; readonly step: number; readonly atMs: number; readonly message: string }
  /** A step has failed, and the build waits until the client has been in the shell of this id. */
  | { readonly kind: "shell"; readonly step: number; readonly id: string }
  | { readonly kind: "warning"; readonly finding: Finding }
  | { readonly kind: "note"; readonly text: string }
  | { readonly kind: "image"; readonly id: string; readonly tags: readonly string[] };

export interface StepInfo {
  readonly step: number;
  /** The instruction with its continuation lines joined. */
  readonly text: string;
  /** Name or number of its stage. */
  readonly stage: string;
  readonly line: number;
  /** What only changes the image's config takes no time and is not shown as work. */
  readonly isMetadata: boolean;
}

/** A step that did not work: which one, and where it stands. */
export class StepError extends EngineError {
  /** Of the command; undefined when it never ran. */
  readonly exitCode: number | undefined;
  readonly step: StepInfo;
  /** Last lines of its output. */
  readonly output: readonly string[];

  constructor(
    step: StepInfo,
    message: string,
    options: { cause?: unknown; exitCode?: number; output?: readonly string[] } = {},
  ) {
    super("invalid", message, { cause: options.cause, fields: { line: step.line } });
    this.step = step;
    this.exitCode = options.exitCode;
    this.output = options.output ?? [];
  }
}

/** One reader and many writers: events in the order in which they were told, without loss. */
export class EventQueue {
  readonly #events: BuildEvent[] = [];
  #wake = () => {};
  #ended = false;

  push(event: BuildEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *read(): AsyncGenerator<BuildEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) yield event;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = () => {};
      }
    }
  }
}

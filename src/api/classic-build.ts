import { StringDecoder } from "node:string_decoder";
import type { BuildEvent, StepInfo } from "../build/index.ts";
import type { ProgressMessage } from "../wire/index.ts";

interface StepState {
  readonly info: StepInfo;
  readonly chunks: Buffer[];
  readonly decoder: StringDecoder;
  started: boolean;
  finished: { cached: boolean; result: string } | undefined;
}

/**
 * A build as Docker's classic builder tells it: one step after the other in the order of the file. Steps may run at the same
 * time; what a later one says waits for its turn.
 */
export class ClassicOutput {
  #steps: StepState[] = [];
  #current = 0;
  #announced = false;
  #id = "";

  /** The messages that an event gives cause to. */
  *take(event: BuildEvent): Generator<ProgressMessage> {
    switch (event.kind) {
      case "plan":
        this.#steps = event.steps.map((info) => ({
          info,
          chunks: [],
          decoder: new StringDecoder("utf8"),
          started: false,
          finished: undefined,
        }));
        break;
      case "started": {
        const step = this.#steps[event.step - 1];
        if (step !== undefined) step.started = true;
        break;
      }
      case "output":
        this.#steps[event.step - 1]?.chunks.push(event.bytes);
        break;
      case "finished": {
        const step = this.#steps[event.step - 1];
        if (step !== undefined) step.finished = { cached: event.cached, result: event.result };
        break;
      }
      case "failed":
        // Steps before it that were stopped have nothing more to say.
        if (this.#current < event.step - 1) {
          this.#current = event.step - 1;
          this.#announced = false;
        }
        break;
      case "note":
        yield { stream: `${event.text}\n` };
        break;
      case "shell":
      case "warning":
        // Clients of the classic builder parse its lines; findings are for those who ask for events.
        break;
      case "image":
        yield { aux: { ID: event.id } };
        yield { stream: `Successfully built ${short(event.id)}\n` };
        for (const tag of event.tags) yield { stream: `Successfully tagged ${withTag(tag)}\n` };
        return;
    }
    yield* this.#proceed();
  }

  *#proceed(): Generator<ProgressMessage> {
    for (let step = this.#steps[this.#current]; step !== undefined; step = this.#steps[this.#current]) {
      if (!step.started && step.finished === undefined) return;
      if (!this.#announced) {
        yield { stream: `Step ${step.info.step}/${this.#steps.length} : ${step.info.text}\n` };
        this.#announced = true;
      }
      for (const chunk of step.chunks.splice(0)) {
        const stream = step.decoder.write(chunk);
        if (stream !== "") yield { stream };
      }
      if (step.finished === undefined) return;
      if (step.finished.cached) yield { stream: " ---> Using cache\n" };
      if (step.finished.result !== "") this.#id = step.finished.result;
      if (this.#id !== "") yield { stream: ` ---> ${short(this.#id)}\n` };
      this.#current++;
      this.#announced = false;
    }
  }
}

const short = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);
const withTag = (name: string): string => (/:[^/]*$/.test(name) ? name : `${name}:latest`);

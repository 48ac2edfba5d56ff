import type { DeviceFlag, Dockerfile, Instruction } from "../../dockerfile/index.ts";
import { EngineError, messageOf } from "../../errors/index.ts";
import { StepError, type StepInfo } from "../events.ts";
import type { BuildRequest } from "../service.ts";
import type { StageState } from "./stage-state.ts";

/** What of the request and file every instruction may ask for. */
export interface Planning {
  readonly file: Dockerfile;
  readonly request: BuildRequest;
  readonly globals: ReadonlyMap<string, string>;
  readonly hiddenEnv: readonly string[];
  readonly epochSeconds: number | undefined;
  /** The stage of a name or number, as far as it goes, else an image; for a step of the stage `current`. */
  sourceOf(reference: string, current: number, verb: "copy" | "mount"): Promise<StageState["top"]>;
  /** The qualified names of the devices that a RUN asks for. Throws invalid or forbidden for those that it cannot have. */
  devicesOf(flags: readonly DeviceFlag[]): string[];
  /** The step of an instruction; numbered once all are known. */
  newStep(
    stage: number,
    name: string,
    instruction: Pick<Instruction, "text" | "location">,
    isMetadata: boolean,
  ): StepInfo;
  noCache(stage: number, name: string): boolean;
  use(argument: string): void;
}

/** Errors of one instruction carry its step, so that the line can be shown. */
export async function located<T>(step: StepInfo, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StepError || (error instanceof EngineError && error.kind === "cancelled"))
      throw error;
    throw new StepError(step, messageOf(error), { cause: error });
  }
}

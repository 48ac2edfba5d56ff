import {
  type CopyFlags,
  type Dockerfile,
  expand,
  findStage,
  type InstructionOf,
  type Lookup,
  parseTriggers,
  sourceStage,
} from "../../dockerfile/index.ts";
import { invalid } from "../../errors/index.ts";
import { isContextOfFiles } from "../context/named.ts";
import type { StepInfo } from "../events.ts";
import type { BuildRequest } from "../service.ts";
import { applyInstruction } from "./apply.ts";
import { globalArgs, imageName } from "./globals.ts";
import { located, type Planning } from "./planning.ts";
import { type Platform, parsePlatform, platformArgs } from "./platform.ts";
import { inherit, type StageState } from "./stage-state.ts";
import type { SourceVertex, Vertex } from "./vertex.ts";

/** How images come into a plan. */
export interface ImageSource {
  /**
   * The stage's beginning FROM this image; it is fetched when it is not here. `isGiven`: somebody asked for the platform, so
   * that an image of another one does not do. Throws not-found.
   */
  stageFrom(
    reference: string,
    platform: { readonly platform: Platform; readonly isGiven: boolean },
    name: string,
    step: StepInfo | undefined,
  ): Promise<StageState>;
}

/** A Dockerfile turned into operations, as far as the target needs them. */
export interface BuildPlan {
  readonly target: StageState;
  readonly steps: readonly StepInfo[];
  readonly platform: Platform;
  /** Of SOURCE_DATE_EPOCH, seconds. */
  readonly epochSeconds: number | undefined;
  /** Build arguments that nothing declared. */
  readonly unusedArgs: readonly string[];
}

const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

/** Evaluate the stages that the target needs. Throws StepError for a value that means nothing, not-found for images and stages. */
export async function planBuild(
  file: Dockerfile,
  request: BuildRequest,
  images: ImageSource,
  devicesOf: Planning["devicesOf"],
): Promise<BuildPlan> {
  const platform = parsePlatform(request.platform);
  const used = new Set<string>(PROXIES.concat(["SOURCE_DATE_EPOCH"]));
  const automatic = platformArgs(platform, request.target);
  const globals = globalArgs(file, request, automatic, used);
  const steps: { info: { -readonly [Key in keyof StepInfo]: StepInfo[Key] }; stage: number }[] = [];
  const epoch = request.buildArgs.get("SOURCE_DATE_EPOCH");
  if (epoch !== undefined && epoch !== "" && !/^\d{1,12}$/.test(epoch))
    throw invalid(`invalid SOURCE_DATE_EPOCH: ${epoch}: want seconds since 1970`);
  const target = targetOf(file, request.target);
  const known = new Map<number, Promise<StageState>>();
  const stageAt = (index: number): Promise<StageState> => {
    const found = known.get(index) ?? evaluateStage(index);
    known.set(index, found);
    return found;
  };
  const isPlatformGiven = request.platform !== "";
  const platformOf = (from: InstructionOf<"FROM">, lookup: Lookup) => {
    if (from.platform === "") return { platform, isGiven: isPlatformGiven };
    const text = expand(from.platform, file.escape, lookup);
    if (text === "") throw invalid(`empty platform value from expression ${from.platform}`);
    return { platform: parsePlatform(text), isGiven: true };
  };

  const planning: Planning = {
    file,
    request,
    globals,
    hiddenEnv: PROXIES.flatMap((name) => {
      const value = request.buildArgs.get(name);
      return value === undefined ? [] : [`${name}=${value}`];
    }),
    epochSeconds: epoch === undefined || epoch === "" ? undefined : Number(epoch),
    devicesOf,
    async sourceOf(reference, current, verb) {
      if (isOfFiles(reference)) return treeOf(reference);
      const index = request.namedContexts.has(reference)
        ? undefined
        : sourceStage(file.stages, reference, current, verb);
      if (index !== undefined) return (await stageAt(index)).top;
      const wanted = { platform, isGiven: isPlatformGiven };
      return (await images.stageFrom(imageName(request, reference), wanted, reference, undefined)).top;
    },
    newStep(stage, name, instruction, isMetadata) {
      const info = {
        step: 0,
        text: instruction.text,
        stage: name,
        line: instruction.location.line,
        isMetadata,
      };
      steps.push({ info, stage });
      return info;
    },
    noCache: (stage, name) =>
      request.noCache ||
      request.noCacheFilter.some((filter) => filter.toLowerCase() === name || filter === String(stage)),
    use: (argument) => used.add(argument),
  };

  const isOfFiles = (name: string) => isContextOfFiles(request.namedContexts.get(name) ?? "");
  const trees = new Map<string, Vertex>();
  /** All files of a named context as a tree of their own, made once. */
  function treeOf(name: string): Vertex {
    const known = trees.get(name);
    if (known !== undefined) return known;
    const location = { line: 1, endLine: 1 };
    // Before all stages, whose steps may need it.
    const step = planning.newStep(-1, name, { text: `load build context ${name}`, location }, false);
    const vertex: Vertex = {
      kind: "copy",
      step,
      base: scratch(undefined),
      noCache: false,
      from: name,
      sources: [{ kind: "path", path: "." }],
      destination: "/",
      flags: NO_COPY_FLAGS,
      isAdd: false,
    };
    trees.set(name, vertex);
    return vertex;
  }

  async function stageFromContext(name: string, stage: string, own: Platform, step: StepInfo) {
    const state = await images.stageFrom("scratch", { platform: own, isGiven: true }, stage, step);
    state.top = treeOf(name);
    state.history.push({ createdBy: `FROM ${name}`, vertex: state.top });
    return state;
  }

  async function evaluateStage(index: number): Promise<StageState> {
    const stage = file.stages[index];
    if (stage === undefined) throw invalid(`stage ${index} does not exist`);
    const { from } = stage;
    const name = from.stage === "" ? `stage-${index}` : from.stage;
    const step = planning.newStep(index, name, from, false);
    const lookup: Lookup = (variable) => globals.get(variable) ?? automatic.get(variable);
    const state = await located(step, async () => {
      const reference = expand(from.image, file.escape, lookup);
      if (reference === "") throw invalid(`base name (${from.image}) should not be blank`);
      const base = request.namedContexts.has(reference)
        ? undefined
        : findStage(file.stages, reference, index);
      const own = platformOf(from, lookup);
      if (isOfFiles(reference)) return stageFromContext(reference, name, own.platform, step);
      if (base !== undefined && !/^\d+$/.test(reference))
        return inherit(await stageAt(base), name, own.platform);
      return images.stageFrom(imageName(request, reference), own, name, step);
    });
    const triggers = parseTriggers(state.config.OnBuild ?? [], from);
    state.config = { ...state.config, OnBuild: null };
    for (const instruction of [...triggers, ...stage.instructions]) {
      await applyInstruction(planning, state, instruction, index);
    }
    return state;
  }

  const state = await stageAt(target);
  for (const [at, { info }] of steps.sort((a, b) => a.stage - b.stage).entries()) info.step = at + 1;
  return {
    target: state,
    steps: steps.map(({ info }) => info),
    platform: state.platform,
    epochSeconds: planning.epochSeconds,
    unusedArgs: [...request.buildArgs.keys()].filter((key) => !used.has(key) && !key.startsWith("BUILDKIT_")),
  };
}

function targetOf({ stages }: Dockerfile, target: string): number {
  if (target === "") return stages.length - 1;
  const found = findStage(stages, target);
  if (found === undefined) throw invalid(`target stage ${JSON.stringify(target)} could not be found`);
  return found;
}

const NO_COPY_FLAGS: CopyFlags = {
  from: "",
  chown: "",
  chmod: "",
  link: false,
  parents: false,
  exclude: [],
  checksum: "",
  keepGitDir: false,
  unpack: undefined,
};

/** A source that is no stage. */
export const scratch = (step: StepInfo | undefined): SourceVertex => ({
  kind: "source",
  imageId: undefined,
  reference: "scratch",
  step,
});

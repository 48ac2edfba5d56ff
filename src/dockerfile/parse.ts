import { invalid } from "../errors/index.ts";
import { DockerfileError } from "./dockerfile-error.ts";
import type { Dockerfile, Instruction, InstructionOf, Stage } from "./instructions.ts";
import { readLines } from "./lines.ts";
import { parseInstruction } from "./parse-instruction.ts";

/**
 * Read a Dockerfile: the whole language of docs.docker.com/reference/dockerfile, without evaluating any of it. `file` is its
 * name in messages. Throws DockerfileError with the line, what is wrong and what was expected.
 */
export function parseDockerfile(source: string, file = "Dockerfile"): Dockerfile {
  const { directives, lines, comments } = readLines(source);
  const globalArgs: InstructionOf<"ARG">[] = [];
  const stages: { from: InstructionOf<"FROM">; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const instruction = parseInstruction(line, directives.escape);
    const stage = stages.at(-1);
    if (instruction.name === "FROM") stages.push({ from: instruction, instructions: [] });
    else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.name === "ARG") globalArgs.push(instruction);
    else
      throw new DockerfileError(
        instruction.location,
        "no build stage in current context",
        "FROM before anything but ARG",
      );
  }
  if (lines.length === 0) throw new DockerfileError({ line: 1, endLine: 1 }, "file with no instructions");
  if (stages.length === 0)
    throw new DockerfileError(
      lines.at(-1)?.location ?? { line: 1, endLine: 1 },
      "no build stage in current context",
      "FROM",
    );
  return {
    file,
    source,
    escape: directives.escape,
    syntax: directives.syntax,
    check: directives.check,
    globalArgs,
    stages,
    emptyContinuations: lines.filter((line) => line.hasEmptyContinuation).map(({ location }) => location),
    comments,
  };
}

/**
 * Triggers of a base image (`OnBuild` of its config) as instructions, in their order. They stand where the FROM stands.
 */
export function parseTriggers(triggers: readonly string[], from: InstructionOf<"FROM">): Instruction[] {
  return triggers.map((trigger) => {
    const [line] = readLines(trigger).lines;
    if (line === undefined)
      throw new DockerfileError(from.location, "the base image has an empty ONBUILD trigger");
    return parseInstruction({ ...line, location: from.location }, "\\");
  });
}

/** The stage of a name or number; undefined when there is none before (or among) the given count. */
export function findStage(
  stages: readonly Stage[],
  reference: string,
  before = stages.length,
): number | undefined {
  const name = reference.toLowerCase();
  const byName = stages
    .slice(0, before)
    .findLastIndex(({ from }) => from.stage !== "" && from.stage === name);
  if (byName >= 0) return byName;
  const index = /^\d{1,6}$/.test(reference) ? Number(reference) : -1;
  return index >= 0 && index < before ? index : undefined;
}

/**
 * The stage that the stage `current` takes files from by a name or number; undefined for what names none, and so an image. A
 * number always means a stage. Throws invalid, in BuildKit's words, for a stage that does not exist or not yet.
 */
export function sourceStage(
  stages: readonly Stage[],
  reference: string,
  current: number,
  verb: "copy" | "mount",
): number | undefined {
  const earlier = findStage(stages, reference, current);
  if (earlier !== undefined) return earlier;
  const later = findStage(stages, reference);
  if (later === current) throw invalid(`circular dependency detected on stage: ${reference}`);
  if (later !== undefined) {
    const name = stages[current]?.from.stage || String(current);
    throw invalid(
      `cannot ${verb} from stage ${JSON.stringify(reference)}, it needs to be defined before current stage ${JSON.stringify(name)}`,
    );
  }
  if (/^[+-]?\d+$/.test(reference)) throw invalid(`invalid stage index ${reference}`);
  return undefined;
}

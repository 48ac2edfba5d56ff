import { closest } from "../closest.ts";
import type { Dockerfile, Instruction, InstructionOf } from "../instructions.ts";
import { findStage } from "../parse.ts";
import { mentioned } from "../words.ts";
import type { Report } from "./report.ts";

/**
 * UndefinedVar: a variable that neither the stage, nor what it is built FROM, has set. Stages on an image that is not known
 * are passed over.
 */
export function checkVariables(
  file: Dockerfile,
  {
    imageOf,
    environmentOf,
  }: {
    imageOf: (from: InstructionOf<"FROM">) => string;
    environmentOf: (image: string) => readonly string[] | undefined;
  },
  report: Report,
): void {
  const endings: (ReadonlySet<string> | undefined)[] = [];
  for (const [at, { from, instructions }] of file.stages.entries()) {
    const image = imageOf(from);
    const base = findStage(file.stages, image, at);
    const below = base === undefined ? environment(image, environmentOf) : endings[base];
    const known = below === undefined ? undefined : new Set(below);
    if (known !== undefined)
      for (const item of instructions) {
        checkInstruction(file, item, known, report);
        if (item.name === "ARG") for (const { key } of item.args) known.add(key);
        if (item.name === "ENV") for (const { key } of item.pairs) known.add(key);
      }
    endings.push(known);
  }
}

/** PATH is there whatever an image says. */
function environment(
  image: string,
  environmentOf: (image: string) => readonly string[] | undefined,
): ReadonlySet<string> | undefined {
  if (image === "scratch") return new Set(["PATH"]);
  const names = image.includes("$") ? undefined : environmentOf(image);
  return names === undefined ? undefined : new Set([...names, "PATH"]);
}

function checkInstruction(
  file: Dockerfile,
  item: Instruction,
  known: ReadonlySet<string>,
  report: Report,
): void {
  const names = new Set(expandedTexts(item).flatMap((text) => bareNames(text, file.escape)));
  for (const name of names) {
    if (known.has(name)) continue;
    const near = closest(name, [...known]);
    const hint = near === undefined ? "" : ` (did you mean $${near}?)`;
    report("UndefinedVar", `Usage of undefined variable '$${name}'${hint}`, item.location);
  }
}

/** Variables without a word for when they are unset. A malformed text is the build's to refuse. */
function bareNames(text: string, escapeChar: string): string[] {
  const bare = new Set([...text.matchAll(/\$(?:(\w+)|\{(\w+)\})/g)].map(([, a, b]) => a ?? b ?? ""));
  try {
    return mentioned(text, escapeChar).filter((name) => bare.has(name));
  } catch {
    return [];
  }
}

/** What of an instruction the builder expands. */
function expandedTexts(item: Instruction): string[] {
  switch (item.name) {
    case "ARG":
      return item.args.flatMap(({ value }) => value ?? []);
    case "ENV":
    case "LABEL":
      return item.pairs.flatMap(({ key, value }) => [key, value]);
    case "WORKDIR":
    case "USER":
    case "STOPSIGNAL":
      return [item.value];
    case "EXPOSE":
      return [...item.ports];
    case "VOLUME":
      return [...item.paths];
    case "COPY":
    case "ADD":
      return [
        item.destination,
        ...item.sources.flatMap((source) => (source.kind === "path" ? [source.path] : [])),
      ];
    default:
      return [];
  }
}

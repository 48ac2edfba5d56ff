import { parseCheck } from "./directives.ts";
import type { Dockerfile, Instruction, InstructionOf, Stage } from "./instructions.ts";
import { checkDescriptions } from "./lint/descriptions.ts";
import { checkIgnored } from "./lint/ignored.ts";
import type { Report } from "./lint/report.ts";
import { checkVariables } from "./lint/variables.ts";
import type { Location } from "./location.ts";
import { mentioned } from "./words.ts";

/** A finding of one of BuildKit's build checks (docs.docker.com/reference/build-checks), by their names. */
export interface LintFinding extends Location {
  readonly rule: string;
  readonly message: string;
  readonly url: string;
}

/** What a check may know besides the file itself. */
export interface LintOptions {
  /** In place of the file's own `check` directive (BUILDKIT_DOCKERFILE_CHECK). */
  readonly check?: string;
  /** Patterns of the context's .dockerignore. */
  readonly ignore?: readonly string[];
  /** The image that a FROM names, its variables replaced; as written when that is not told. */
  readonly imageOf?: (from: InstructionOf<"FROM">) => string;
  /** Names in the environment of a base image; undefined for one that is not known. */
  readonly environmentOf?: (image: string) => readonly string[] | undefined;
}

/** Arguments that are there without being declared before FROM. */
const AUTOMATIC = /^(TARGET|BUILD)(PLATFORM|OS|ARCH|VARIANT)$|^TARGETSTAGE$/;
/** Names that hold a secret, in the words that BuildKit looks for. */
const SECRET = /(^|_)(apikey|auth|credentials?|key|password|pword|passwd|secret|token)(_|$)/i;
const PUBLIC = /(^|_)(public|file|version)(_|$)/i;

/** Mistakes and bad habits that a Dockerfile shows without being built, but for those that its `check` directive skips. */
export function lintDockerfile(
  file: Dockerfile,
  { check, ignore = [], imageOf = ({ image }) => image, environmentOf = () => undefined }: LintOptions = {},
): { findings: LintFinding[]; fails: boolean } {
  const options = parseCheck(check ?? file.check);
  const findings: LintFinding[] = [];
  const report: Report = (rule, message, { line, endLine }) => {
    if (options.skipAll || options.skip.has(rule)) return;
    const page = rule
      .replaceAll(/(?<=.)([A-Z])/g, "-$1")
      .toLowerCase()
      .replace("j-s-o-n", "json");
    findings.push({
      rule,
      message,
      line,
      endLine,
      url: `https://docs.docker.com/go/dockerfile/rule/${page}/`,
    });
  };
  for (const location of file.emptyContinuations)
    report("NoEmptyContinuation", "Empty continuation line", location);
  checkCasing(file, report);
  const globals = globalNames(file);
  for (const [at, stage] of file.stages.entries()) {
    checkFrom(file, stage, at, globals, report);
    checkStage(file, stage, report);
  }
  checkVariables(file, { imageOf, environmentOf }, report);
  checkIgnored(file, ignore, report);
  if (options.experimental.has("all") || options.experimental.has("InvalidDefinitionDescription"))
    checkDescriptions(file, report);
  findings.sort((a, b) => a.line - b.line);
  return { findings, fails: options.error && findings.length > 0 };
}

function checkCasing({ globalArgs, stages }: Dockerfile, report: Report): void {
  const all: Instruction[] = [
    ...globalArgs,
    ...stages.flatMap(({ from, instructions }) => [from, ...instructions]),
  ];
  const isUpper = (word: string) => word === word.toUpperCase();
  const upper = all.filter(({ spelling }) => isUpper(spelling)).length;
  const wanted = upper * 2 >= all.length ? "uppercase" : "lowercase";
  for (const { spelling, location } of all) {
    const fits = wanted === "uppercase" ? isUpper(spelling) : spelling === spelling.toLowerCase();
    if (fits) continue;
    report(
      "ConsistentInstructionCasing",
      `Command '${spelling}' should match the case of the command majority (${wanted})`,
      location,
    );
  }
}

/** Names declared before the first FROM, and whether they have a default. */
const globalNames = ({ globalArgs }: Dockerfile): Map<string, boolean> =>
  new Map(
    globalArgs.flatMap(({ args }) => args.map(({ key, value }) => [key, value !== undefined] as const)),
  );

function checkFrom(
  file: Dockerfile,
  { from }: Stage,
  at: number,
  globals: ReadonlyMap<string, boolean>,
  report: Report,
): void {
  const { location, spelling, as, stage, image, platform } = from;
  const [, written = ""] = /\sas\s+(\S+)\s*$/i.exec(from.text) ?? [];
  if (as !== "" && (as === as.toUpperCase()) !== (spelling === spelling.toUpperCase()))
    report("FromAsCasing", `'${as}' and '${spelling}' keywords' casing do not match`, location);
  if (written !== written.toLowerCase())
    report("StageNameCasing", `Stage name '${written}' should be lowercase`, location);
  if (stage === "scratch" || stage === "context")
    report(
      "ReservedStageName",
      `Stage name should not use the same name as reserved stage '${stage}'`,
      location,
    );
  if (stage !== "" && file.stages.slice(0, at).some((other) => other.from.stage === stage))
    report("DuplicateStageName", `Duplicate stage name '${stage}', stage names should be unique`, location);
  if (/^\$\{?TARGETPLATFORM\}?$/.test(platform))
    report(
      "RedundantTargetPlatform",
      `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`,
      location,
    );
  const [os = "", architecture = ""] = platform.split("/");
  // A stage that is named for its platform is meant for that alone.
  const isNamedSo = [os, architecture].some((part) => part !== "" && stage.includes(part));
  if (platform !== "" && !platform.includes("$") && !isNamedSo)
    report(
      "FromPlatformFlagConstDisallowed",
      `FROM --platform flag should not use constant value "${platform}"`,
      location,
    );
  for (const name of [...namesIn(image, file), ...namesIn(platform, file)]) {
    if (globals.has(name) || AUTOMATIC.test(name)) continue;
    report("UndefinedArgInFrom", `FROM argument '${name}' is not declared`, location);
  }
  const bare = [...image.matchAll(/\$(?:(\w+)|\{(\w+)\})/g)].map(([, a, b]) => a ?? b ?? "");
  for (const name of bare)
    if (globals.get(name) === false)
      report(
        "InvalidDefaultArgInFrom",
        `Default value for ARG ${image} results in empty or invalid base image name`,
        location,
      );
}

/** Variables that a text mentions; a malformed one is the build's to refuse. */
function namesIn(text: string, { escape: escapeChar }: Dockerfile): string[] {
  try {
    return mentioned(text, escapeChar);
  } catch {
    return [];
  }
}

function checkStage(file: Dockerfile, { from, instructions }: Stage, report: Report): void {
  const isStage = file.stages.some(
    (other) => other.from.stage !== "" && other.from.stage === from.image.toLowerCase(),
  );
  let workdir = isStage;
  for (const item of instructions) {
    if (item.name === "MAINTAINER")
      report(
        "MaintainerDeprecated",
        "Maintainer instruction is deprecated in favor of using label",
        item.location,
      );
    if ((item.name === "ENV" || item.name === "LABEL") && item.legacy)
      report(
        "LegacyKeyValueFormat",
        `"${item.name} key=value" should be used instead of legacy "${item.name} key value" format`,
        item.location,
      );
    if (
      (item.name === "CMD" || item.name === "ENTRYPOINT") &&
      item.command.form === "shell" &&
      !instructions.some(({ name }) => name === "SHELL")
    )
      report(
        "JSONArgsRecommended",
        `JSON arguments recommended for ${item.name} to prevent unintended behavior related to OS signals`,
        item.location,
      );
    if (item.name === "WORKDIR") {
      if (!/^[/$]/.test(item.value) && !workdir)
        report(
          "WorkdirRelativePath",
          `Relative workdir "${item.value}" can have unexpected results if the base image changes`,
          item.location,
        );
      workdir = true;
    }
    checkSecrets(item, report);
    if (item.name === "EXPOSE") checkPorts(item, report);
  }
  for (const name of ["CMD", "ENTRYPOINT", "HEALTHCHECK"] as const) {
    for (const item of instructions.filter((other) => other.name === name).slice(0, -1))
      report(
        "MultipleInstructionsDisallowed",
        `Multiple ${name} instructions should not be used in the same stage because only the last one will be used`,
        item.location,
      );
  }
}

function checkSecrets(item: Instruction, report: Report): void {
  const names =
    item.name === "ENV"
      ? item.pairs.map(({ key }) => key)
      : item.name === "ARG"
        ? item.args.map(({ key }) => key)
        : [];
  for (const name of names)
    if (SECRET.test(name) && !PUBLIC.test(name))
      report(
        "SecretsUsedInArgOrEnv",
        `Do not use ARG or ENV instructions for sensitive data (${item.name} "${name}")`,
        item.location,
      );
}

function checkPorts({ ports, location }: InstructionOf<"EXPOSE">, report: Report): void {
  for (const port of ports) {
    const [, protocol = ""] = /\/([A-Za-z]+)$/.exec(port) ?? [];
    if (protocol !== protocol.toLowerCase())
      report(
        "ExposeProtoCasing",
        `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
        location,
      );
    if (port.includes(":"))
      report(
        "ExposeInvalidFormat",
        `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
        location,
      );
  }
}

import { parseSignal } from "../units/index.ts";
import { closest } from "./closest.ts";
import { parseDeviceFlag } from "./device-flag.ts";
import { DockerfileError } from "./dockerfile-error.ts";
import { type Flags, flagValue, isSet, takeFlags } from "./flags.ts";
import { openingOf } from "./heredoc.ts";
import type { CommandForm, CopySource, Instruction, InstructionName, KeyValue } from "./instructions.ts";
import type { LogicalLine } from "./lines.ts";
import type { Location } from "./location.ts";
import { checkMountFlag } from "./mount-flag.ts";
import { hasVariable, splitWords } from "./words.ts";

/** How each instruction is written, for messages. */
const USAGE: Readonly<Record<InstructionName, string>> = {
  FROM: "FROM [--platform=P] IMAGE[:TAG|@DIGEST] [AS NAME]",
  ARG: "ARG NAME[=DEFAULT] ...",
  ENV: "ENV KEY=VALUE ...",
  LABEL: "LABEL KEY=VALUE ...",
  RUN: "RUN [--mount=...] [--network=...] [--security=...] [--device=...] COMMAND",
  CMD: 'CMD ["PROGRAM", "ARG"] or CMD COMMAND',
  ENTRYPOINT: 'ENTRYPOINT ["PROGRAM", "ARG"] or ENTRYPOINT COMMAND',
  COPY: "COPY [FLAGS] SOURCE ... DESTINATION",
  ADD: "ADD [FLAGS] SOURCE ... DESTINATION",
  WORKDIR: "WORKDIR PATH",
  USER: "USER NAME[:GROUP]",
  EXPOSE: "EXPOSE PORT[/PROTOCOL] ...",
  VOLUME: 'VOLUME PATH ... or VOLUME ["PATH"]',
  STOPSIGNAL: "STOPSIGNAL SIGNAL",
  HEALTHCHECK: "HEALTHCHECK [FLAGS] CMD COMMAND or HEALTHCHECK NONE",
  SHELL: 'SHELL ["PROGRAM", "ARG"]',
  ONBUILD: "ONBUILD INSTRUCTION",
  MAINTAINER: "MAINTAINER NAME",
};

const isName = (word: string): word is InstructionName => Object.hasOwn(USAGE, word);

interface Parsing {
  readonly name: InstructionName;
  /** What comes after the name, trimmed. */
  readonly rest: string;
  readonly escapeChar: string;
  readonly line: LogicalLine;
  readonly location: Location;
}

type Kinds = Instruction extends infer One
  ? One extends Instruction
    ? Omit<One, "location" | "text" | "heredocs" | "spelling">
    : never
  : never;

/** One logical line as an instruction. Throws DockerfileError. */
export function parseInstruction(line: LogicalLine, escapeChar: string): Instruction {
  const { location, text, heredocs } = line;
  const [, spelling = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(text) ?? [];
  const name = spelling.toUpperCase();
  if (!isName(name)) throw unknown(spelling, location);
  const kind = PARSERS[name]({ name, rest, escapeChar, line, location });
  // The parser of a name gives the kind of that name; the table's type cannot say so.
  return { ...kind, location, text, heredocs, spelling } as Instruction;
}

const PARSERS: Readonly<Record<InstructionName, (parsing: Parsing) => Kinds>> = {
  FROM: parseFrom,
  ARG: parseArg,
  ENV: parsePairs,
  LABEL: parsePairs,
  RUN: parseRun,
  CMD: (p) => ({ name: "CMD", command: commandOf(p, p.rest) }),
  ENTRYPOINT: (p) => ({ name: "ENTRYPOINT", command: commandOf(p, p.rest) }),
  COPY: parseCopy,
  ADD: parseCopy,
  WORKDIR: (p) => ({ name: "WORKDIR", value: oneText(p) }),
  USER: (p) => ({ name: "USER", value: oneText(p) }),
  STOPSIGNAL: parseStopSignal,
  MAINTAINER: (p) => ({ name: "MAINTAINER", value: oneText(p) }),
  EXPOSE: (p) => ({ name: "EXPOSE", ports: someWords(p) }),
  VOLUME: parseVolume,
  SHELL: parseShell,
  HEALTHCHECK: parseHealthcheck,
  ONBUILD: parseOnbuild,
};

function unknown(spelling: string, location: Location): DockerfileError {
  const word = spelling.toUpperCase();
  const near = closest(word, Object.keys(USAGE));
  return new DockerfileError(
    location,
    `unknown instruction: ${spelling}${near === undefined ? "" : ` (did you mean ${near}?)`}`,
  );
}

const fail = ({ name, location }: Parsing, problem: string) =>
  new DockerfileError(location, problem, USAGE[name]);
const atLeastOne = (p: Parsing) => fail(p, `${p.name} requires at least one argument`);
const exactlyOne = (p: Parsing) => fail(p, `${p.name} requires exactly one argument`);

/** Flags of an instruction that has none are an error too, except where its text may begin with dashes. */
function noFlags({ rest, escapeChar, name, location }: Parsing): string {
  return takeFlags(rest, escapeChar, {}, name, location).rest;
}

/** A JSON list of strings; undefined when the text is no JSON list. Throws DockerfileError for a list of other things. */
function jsonList(p: Parsing, text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // By the language's rule no error: what is not JSON is the shell's.
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  if (!parsed.every((item) => typeof item === "string"))
    throw fail(p, "when using JSON array syntax, arrays must be comprised of strings only");
  return parsed;
}

function commandOf(p: Parsing, text: string): CommandForm {
  const args = jsonList(p, text);
  return args === undefined ? { form: "shell", command: text } : { form: "exec", args };
}

function oneText(p: Parsing): string {
  const text = noFlags(p);
  if (text === "") throw exactlyOne(p);
  return text;
}

function someWords(p: Parsing): string[] {
  const words = noFlags(p)
    .split(/\s+/)
    .filter((word) => word !== "");
  if (words.length === 0) throw atLeastOne(p);
  return words;
}

function parseFrom(p: Parsing): Kinds {
  const flags = takeFlags(p.rest, p.escapeChar, { platform: "string" }, "FROM", p.location);
  const [image, as, stage = "", ...more] = flags.rest.split(/\s+/).filter((word) => word !== "");
  if (image === undefined) throw fail(p, "FROM requires either one or three arguments");
  if (as !== undefined && (as.toLowerCase() !== "as" || stage === "" || more.length > 0))
    throw fail(p, "FROM requires either one or three arguments");
  const name = stage.toLowerCase();
  if (stage !== "" && !/^[a-z][a-z0-9-_.]*$/.test(name))
    throw fail(
      p,
      `invalid name for build stage: "${stage}", name can't start with a number or contain symbols`,
    );
  return { name: "FROM", platform: flagValue(flags, "platform"), image, stage: name, as: as ?? "" };
}

function parseArg(p: Parsing): Kinds {
  const words = splitWords(noFlags(p), p.escapeChar);
  if (words.length === 0) throw atLeastOne(p);
  const args = words.map((word) => {
    const equals = word.indexOf("=");
    const key = equals < 0 ? word : word.slice(0, equals);
    if (key === "") throw fail(p, "ARG names can not be blank");
    return { key, value: equals < 0 ? undefined : word.slice(equals + 1) };
  });
  return { name: "ARG", args };
}

function parsePairs(p: Parsing): Kinds {
  const name = p.name === "ENV" ? "ENV" : "LABEL";
  const text = noFlags(p);
  const words = splitWords(text, p.escapeChar);
  const [first] = words;
  if (first === undefined) throw atLeastOne(p);
  if (!first.includes("=")) {
    const [, key = "", value] = /^(\S+)(?:\s+(.+))?$/s.exec(text) ?? [];
    if (value === undefined) throw fail(p, `${name} must have two arguments`);
    return { name, pairs: [{ key, value }], legacy: true };
  }
  const pairs = words.map((word): KeyValue => {
    const equals = word.indexOf("=");
    if (equals < 0)
      throw fail(
        p,
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    if (equals === 0) throw fail(p, `${name} names can not be blank`);
    return { key: word.slice(0, equals), value: word.slice(equals + 1) };
  });
  return { name, pairs, legacy: false };
}

function parseRun(p: Parsing): Kinds {
  const kinds = { mount: "list", network: "string", security: "string", device: "list" } as const;
  const flags = takeFlags(p.rest, p.escapeChar, kinds, "RUN", p.location);
  if (flags.rest === "") throw atLeastOne(p);
  const command = commandOf(p, flags.rest);
  if (command.form === "exec" && command.args.length === 0) throw atLeastOne(p);
  const network = flagValue(flags, "network");
  if (!["", "default", "none", "host"].includes(network))
    throw new DockerfileError(p.location, `unsupported network mode "${network}"`, "default, none or host");
  const security = flagValue(flags, "security");
  if (!["", "sandbox", "insecure"].includes(security))
    throw new DockerfileError(p.location, `unsupported security mode "${security}"`, "sandbox or insecure");
  const mounts = flags.values.get("mount") ?? [];
  for (const mount of mounts) checkMountFlag(mount, p.location);
  const devices = (flags.values.get("device") ?? []).map((text) => parseDeviceFlag(text, p.location));
  return { name: "RUN", command, mounts, network, security, devices };
}

const COPY_FLAGS = {
  from: "string",
  chown: "string",
  chmod: "string",
  link: "bool",
  parents: "bool",
  exclude: "list",
} as const;
const ADD_FLAGS = {
  "keep-git-dir": "bool",
  checksum: "string",
  unpack: "bool",
  chown: "string",
  chmod: "string",
  link: "bool",
  exclude: "list",
} as const;

function parseCopy(p: Parsing): Kinds {
  const name = p.name === "ADD" ? "ADD" : "COPY";
  const flags = takeFlags(p.rest, p.escapeChar, name === "ADD" ? ADD_FLAGS : COPY_FLAGS, name, p.location);
  if (hasVariable(flagValue(flags, "from")))
    throw fail(
      p,
      "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
    );
  const words = jsonList(p, flags.rest) ?? flags.rest.split(/\s+/).filter((word) => word !== "");
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    throw fail(
      p,
      `${name} requires at least two arguments, but only ${words.length} ${words.length === 1 ? "was" : "were"} provided. Destination could not be determined`,
    );
  }
  const heredocs = [...p.line.heredocs];
  const sources = words.slice(0, -1).map((word): CopySource => {
    const heredoc = openingOf(word, p.escapeChar, p.location) === undefined ? undefined : heredocs.shift();
    return heredoc === undefined ? { kind: "path", path: word } : { kind: "heredoc", heredoc };
  });
  if (openingOf(destination, p.escapeChar, p.location) !== undefined)
    throw fail(p, `${name} cannot accept a heredoc as a destination`);
  return { name, sources, destination, flags: copyFlags(flags) };
}

function copyFlags(flags: Flags) {
  return {
    from: flagValue(flags, "from"),
    chown: flagValue(flags, "chown"),
    chmod: flagValue(flags, "chmod"),
    link: isSet(flags, "link"),
    parents: isSet(flags, "parents"),
    exclude: flags.values.get("exclude") ?? [],
    checksum: flagValue(flags, "checksum"),
    keepGitDir: isSet(flags, "keep-git-dir"),
    unpack: flags.values.has("unpack") ? isSet(flags, "unpack") : undefined,
  };
}

function parseStopSignal(p: Parsing): Kinds {
  const value = oneText(p);
  if (!value.includes("$")) {
    try {
      parseSignal(value);
    } catch {
      throw fail(p, `invalid signal: ${value}`);
    }
  }
  return { name: "STOPSIGNAL", value };
}

function parseVolume(p: Parsing): Kinds {
  const text = noFlags(p);
  const paths = jsonList(p, text) ?? text.split(/\s+/).filter((word) => word !== "");
  if (paths.length === 0) throw atLeastOne(p);
  if (paths.some((path) => path.trim() === "")) throw fail(p, "VOLUME specified can not be an empty string");
  return { name: "VOLUME", paths };
}

function parseShell(p: Parsing): Kinds {
  const shell = jsonList(p, noFlags(p));
  if (shell === undefined) throw fail(p, "SHELL requires the arguments to be in JSON form");
  if (shell.length === 0) throw atLeastOne(p);
  return { name: "SHELL", shell };
}

const HEALTH_FLAGS = {
  interval: "string",
  timeout: "string",
  "start-period": "string",
  "start-interval": "string",
  retries: "string",
} as const;

function parseHealthcheck(p: Parsing): Kinds {
  const parsed = takeFlags(p.rest, p.escapeChar, HEALTH_FLAGS, "HEALTHCHECK", p.location);
  const flags = {
    interval: flagValue(parsed, "interval"),
    timeout: flagValue(parsed, "timeout"),
    startPeriod: flagValue(parsed, "start-period"),
    startInterval: flagValue(parsed, "start-interval"),
    retries: flagValue(parsed, "retries"),
  };
  const [, kind = "", what = ""] = /^(\S+)\s*(.*)$/s.exec(parsed.rest) ?? [];
  switch (kind.toUpperCase()) {
    case "":
      throw atLeastOne(p);
    case "NONE":
      if (what !== "") throw fail(p, "HEALTHCHECK NONE takes no arguments");
      return { name: "HEALTHCHECK", command: "none", flags };
    case "CMD":
      if (what === "") throw fail(p, "Missing command after HEALTHCHECK CMD");
      return { name: "HEALTHCHECK", command: commandOf(p, what), flags };
    default:
      throw fail(p, `Unknown type ${JSON.stringify(kind)} in HEALTHCHECK (try CMD)`);
  }
}

function parseOnbuild(p: Parsing): Kinds {
  if (p.rest === "") throw atLeastOne(p);
  const trigger = (p.rest.split(/\s/, 1)[0] ?? "").toUpperCase();
  if (trigger === "ONBUILD") throw fail(p, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === "FROM" || trigger === "MAINTAINER")
    throw fail(p, `${trigger} isn't allowed as an ONBUILD trigger`);
  // Read now, so that a mistake is found where it is written and not in the images made from this one.
  parseInstruction({ ...p.line, text: p.rest }, p.escapeChar);
  const bodies = p.line.heredocs.map(({ content, name }) => `\n${content}${name}`).join("");
  return { name: "ONBUILD", trigger: p.rest + bodies };
}

import { posix } from "node:path";
import { expand, expandWords, type InstructionOf } from "../../dockerfile/index.ts";
import { invalid } from "../../errors/index.ts";
import { parseSignal, requireGoDuration } from "../../units/index.ts";
import type { HealthConfig, ImageConfig } from "../../wire/index.ts";
import { environmentOf, lookupOf, type StageState } from "./stage-state.ts";

type Metadata = InstructionOf<
  | "ENV"
  | "LABEL"
  | "CMD"
  | "ENTRYPOINT"
  | "USER"
  | "EXPOSE"
  | "VOLUME"
  | "STOPSIGNAL"
  | "HEALTHCHECK"
  | "SHELL"
  | "ONBUILD"
  | "MAINTAINER"
>;

export const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];

/** Apply an instruction that changes nothing but the image's config. Throws invalid for values that mean nothing. */
export function applyMetadata(state: StageState, instruction: Metadata, escapeChar: string): void {
  const lookup = lookupOf(state);
  const put = (text: string) => expand(text, escapeChar, lookup);
  const config: ImageConfig = { ...state.config };
  switch (instruction.name) {
    case "ENV": {
      const environment = environmentOf(config);
      for (const { key, value } of instruction.pairs) environment.set(put(key), put(value));
      config.Env = [...environment].map(([key, value]) => `${key}=${value}`);
      break;
    }
    case "LABEL":
      config.Labels = {
        ...config.Labels,
        ...Object.fromEntries(instruction.pairs.map(({ key, value }) => [put(key), put(value)])),
      };
      break;
    case "CMD":
      config.Cmd = commandOf(instruction.command, config);
      state.hasOwnCommand = true;
      break;
    case "ENTRYPOINT":
      config.Entrypoint = commandOf(instruction.command, config);
      // A new entrypoint makes arguments meant for the old one meaningless.
      if (!state.hasOwnCommand) config.Cmd = null;
      break;
    case "USER":
      config.User = put(instruction.value);
      break;
    case "EXPOSE": {
      const ports = instruction.ports
        .flatMap((word) => expandWords(word, escapeChar, lookup))
        .flatMap(portKeys);
      config.ExposedPorts = { ...config.ExposedPorts, ...setOf(ports) };
      break;
    }
    case "VOLUME":
      config.Volumes = {
        ...config.Volumes,
        ...setOf(instruction.paths.map((path) => volumePath(put(path)))),
      };
      break;
    case "STOPSIGNAL":
      config.StopSignal = put(instruction.value);
      parseSignal(config.StopSignal);
      break;
    case "HEALTHCHECK":
      config.Healthcheck = healthcheck(instruction);
      break;
    case "SHELL":
      config.Shell = [...instruction.shell];
      break;
    case "ONBUILD":
      config.OnBuild = [...(config.OnBuild ?? []), instruction.trigger];
      break;
    case "MAINTAINER":
      state.author = instruction.value;
      break;
  }
  state.config = config;
}

/** A command as the config has it: in shell form behind the stage's shell. */
export function commandOf(command: InstructionOf<"CMD">["command"], config: ImageConfig): string[] {
  return command.form === "exec" ? [...command.args] : [...(config.Shell ?? DEFAULT_SHELL), command.command];
}

const setOf = (keys: readonly string[]): Record<string, Record<string, never>> =>
  Object.fromEntries(keys.map((key) => [key, {}]));

function volumePath(path: string): string {
  if (path.trim() === "") throw invalid("VOLUME specified can not be an empty string");
  return path;
}

/** "80", "80/udp", "8000-8010/tcp", "127.0.0.1:80:80" (of which only the last part means something) as ExposedPorts has them. */
function portKeys(word: string): string[] {
  const [, first = "", last = first, protocol = "tcp"] =
    /^(?:[^/]*:)?(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === "" || from < 1 || to > 65535 || to < from) throw invalid(`invalid containerPort: ${word}`);
  return Array.from({ length: to - from + 1 }, (_, at) => `${from + at}/${protocol.toLowerCase()}`);
}

function healthcheck({ command, flags }: InstructionOf<"HEALTHCHECK">): HealthConfig {
  if (command === "none") return { Test: ["NONE"] };
  const health: HealthConfig = {
    Test: command.form === "exec" ? ["CMD", ...command.args] : ["CMD-SHELL", command.command],
  };
  const durations = [
    ["interval", flags.interval, "Interval"],
    ["timeout", flags.timeout, "Timeout"],
    ["start-period", flags.startPeriod, "StartPeriod"],
    ["start-interval", flags.startInterval, "StartInterval"],
  ] as const;
  for (const [flag, text, key] of durations) {
    if (text === "") continue;
    const nanoseconds = Number(requireGoDuration(text));
    if (nanoseconds < 1_000_000 && nanoseconds !== 0)
      throw invalid(`HEALTHCHECK --${flag} must be at least 1ms: ${text}`);
    health[key] = nanoseconds;
  }
  if (flags.retries !== "") {
    if (!/^\d{1,9}$/.test(flags.retries))
      throw invalid(`HEALTHCHECK --retries must be a whole number: ${flags.retries}`);
    health.Retries = Number(flags.retries);
  }
  return health;
}

/** A path of WORKDIR or a destination in the stage's working folder. */
export function inWorkingDir(config: ImageConfig, path: string): string {
  const folder = posix.resolve("/", config.WorkingDir ?? "/", path);
  const isFolder = path.endsWith("/") || path === "." || path.endsWith("/.");
  return isFolder && folder !== "/" ? `${folder}/` : folder;
}

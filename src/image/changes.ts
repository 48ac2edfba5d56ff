import { posix } from "node:path";
import { invalid } from "../errors/index.ts";
import { parseSignal, requireGoDuration } from "../units/index.ts";
import type { HealthConfig, ImageConfig } from "../wire/index.ts";
import { execForm, splitWords } from "./words.ts";

const SHELL = ["/bin/sh", "-c"];

/**
 * Apply `--change` lines of import and commit: the Dockerfile instructions that touch nothing but the config.
 * Throws invalid with Docker's words for others and for malformed ones.
 */
export function applyChanges(config: ImageConfig, changes: readonly string[]): ImageConfig {
  let result: ImageConfig = { ...config };
  for (const line of changes.flatMap((change) => change.split("\n"))) {
    const [, instruction = "", rest = ""] = /^\s*(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
    if (instruction === "" || instruction.startsWith("#")) continue;
    const name = instruction.toUpperCase();
    const apply = INSTRUCTIONS[name];
    if (apply === undefined) throw invalid(`${instruction.toLowerCase()} is not a valid change command`);
    if (rest === "" && name !== "CMD" && name !== "ENTRYPOINT")
      throw invalid(`${name} requires at least one argument`);
    result = apply(result, rest);
  }
  return result;
}

const INSTRUCTIONS: Readonly<Record<string, (config: ImageConfig, rest: string) => ImageConfig>> = {
  CMD: (config, rest) => ({ ...config, Cmd: command(rest) }),
  // A new entrypoint makes the old arguments meaningless (Dockerfile reference, ENTRYPOINT).
  ENTRYPOINT: (config, rest) => ({
    ...config,
    Entrypoint: rest === "" ? null : command(rest),
    Cmd: config.Cmd ?? null,
  }),
  ENV: (config, rest) => {
    const env = new Map((config.Env ?? []).map((entry) => [entry.slice(0, entry.indexOf("=")), entry]));
    for (const [key, value] of pairs("ENV", rest)) env.set(key, `${key}=${value}`);
    return { ...config, Env: [...env.values()] };
  },
  LABEL: (config, rest) => ({
    ...config,
    Labels: { ...config.Labels, ...Object.fromEntries(pairs("LABEL", rest)) },
  }),
  EXPOSE: (config, rest) => ({
    ...config,
    ExposedPorts: { ...config.ExposedPorts, ...setOf(splitWords(rest).flatMap(ports)) },
  }),
  VOLUME: (config, rest) => ({
    ...config,
    Volumes: { ...config.Volumes, ...setOf(execForm(rest) ?? splitWords(rest)) },
  }),
  USER: (config, rest) => ({ ...config, User: one("USER", rest) }),
  WORKDIR: (config, rest) => ({
    ...config,
    WorkingDir: posix.resolve("/", config.WorkingDir ?? "/", splitWords(rest).join(" ")),
  }),
  STOPSIGNAL: (config, rest) => {
    const signal = one("STOPSIGNAL", rest);
    parseSignal(signal);
    return { ...config, StopSignal: signal };
  },
  ONBUILD: (config, rest) => ({ ...config, OnBuild: [...(config.OnBuild ?? []), trigger(rest)] }),
  HEALTHCHECK: (config, rest) => ({ ...config, Healthcheck: healthcheck(rest) }),
};

function command(rest: string): string[] {
  return rest === "" ? [] : (execForm(rest) ?? [...SHELL, rest]);
}

function setOf(keys: readonly string[]): Record<string, Record<string, never>> {
  return Object.fromEntries(keys.map((key) => [key, {}]));
}

function one(instruction: string, rest: string): string {
  const words = splitWords(rest);
  const [word] = words;
  if (words.length !== 1 || word === undefined) throw invalid(`${instruction} requires exactly one argument`);
  return word;
}

/** KEY=value words, or the old form KEY and the rest of the line. */
function pairs(instruction: string, rest: string): [string, string][] {
  const [, key = "", value] = /^(\S+)(?:\s+(.*))?$/.exec(rest) ?? [];
  if (!key.includes("=")) {
    if (value === undefined) throw invalid(`${instruction} must have two arguments`);
    return [[key, value]];
  }
  return splitWords(rest).map((word) => {
    const equals = word.indexOf("=");
    if (equals < 1)
      throw invalid(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

/** "80", "80/udp", "8000-8010/tcp" as the keys of ExposedPorts. */
function ports(word: string): string[] {
  const [, first = "", last = first, protocol = "tcp"] =
    /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === "" || from < 1 || to > 65535 || to < from) throw invalid(`invalid containerPort: ${word}`);
  return Array.from({ length: to - from + 1 }, (_, at) => `${from + at}/${protocol.toLowerCase()}`);
}

function trigger(rest: string): string {
  const instruction = (rest.split(/\s/, 1)[0] ?? "").toUpperCase();
  if (instruction === "ONBUILD") throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (instruction === "FROM" || instruction === "MAINTAINER") {
    throw invalid(`${instruction} isn't allowed as an ONBUILD trigger`);
  }
  return rest;
}

const HEALTH_FLAGS: Readonly<
  Record<string, "Interval" | "Timeout" | "StartPeriod" | "StartInterval" | "Retries">
> = {
  "--interval": "Interval",
  "--timeout": "Timeout",
  "--start-period": "StartPeriod",
  "--start-interval": "StartInterval",
  "--retries": "Retries",
};

function healthcheck(text: string): HealthConfig {
  const health: HealthConfig = {};
  let rest = text;
  for (
    let flag = /^(--[a-z-]+)=(\S+)\s+/.exec(rest);
    flag !== null;
    flag = /^(--[a-z-]+)=(\S+)\s+/.exec(rest)
  ) {
    const [whole, name = "", value = ""] = flag;
    const key = HEALTH_FLAGS[name];
    if (key === undefined) throw invalid(`unknown flag: ${name}`);
    const amount = key === "Retries" ? Number(value) : Number(requireGoDuration(value));
    if (!Number.isSafeInteger(amount) || amount < 0)
      throw invalid(`HEALTHCHECK ${name} must not be negative: ${value}`);
    health[key] = amount;
    rest = rest.slice(whole.length);
  }
  const [, kind = "", what = ""] = /^(\S+)\s*(.*)$/.exec(rest) ?? [];
  if (kind.toUpperCase() === "NONE" && what === "") return { Test: ["NONE"] };
  if (kind.toUpperCase() !== "CMD")
    throw invalid(`Unknown type "${kind.toUpperCase()}" in HEALTHCHECK (try CMD)`);
  if (what === "") throw invalid("Missing command after HEALTHCHECK CMD");
  const exec = execForm(what);
  return { Test: exec === undefined ? ["CMD-SHELL", what] : ["CMD", ...exec], ...health };
}

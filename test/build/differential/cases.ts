import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * A Dockerfile that two builders build. `classic` ones are of the language that Debian's dockerd knows, `buildkit` ones of
 * what its buildah knows besides; for `beyond` no builder of this machine has the words, so that a Dockerfile beside it
 * (NAME.plain.Dockerfile) says the same in older ones.
 */
export interface Case {
  readonly name: string;
  readonly language: "classic" | "buildkit" | "beyond";
  /** Names within the context. */
  readonly dockerfile: string;
  readonly peerDockerfile: string;
  /** Of the build command: the words of a line "# options: …". */
  readonly options: readonly string[];
  readonly peerOptions: readonly string[];
  /** Names of the bases that it begins with. */
  readonly bases: readonly string[];
}

const path = (pattern: string) => globSync(join(import.meta.dirname, pattern)).sort();

/** Dockerfiles that cases begin with: built first, by every builder. */
export const basePaths = path("bases/*.Dockerfile");
export const casePaths = path("{classic,buildkit,beyond}/*.Dockerfile");

/** `values` stand for {NAME} in options: addresses that are known when the test runs. */
export function readCases(values: Readonly<Record<string, string>>): Case[] {
  return casePaths
    .filter((file) => !file.endsWith(".plain.Dockerfile"))
    .map((file) => {
      const language = languageOf(file);
      const peerFile = language === "beyond" ? file.replace(/Dockerfile$/, "plain.Dockerfile") : file;
      return {
        name: nameOf(file),
        language,
        dockerfile: within(file),
        peerDockerfile: within(peerFile),
        options: optionsOf(file, values),
        peerOptions: optionsOf(peerFile, values),
        bases: basePaths.map(nameOf).filter((base) => readFileSync(file, "utf8").includes(base)),
      };
    });
}

export const nameOf = (file: string): string => basename(file, ".Dockerfile");
export const within = (file: string): string => `dockerfiles/${basename(file)}`;

function languageOf(file: string): Case["language"] {
  const folder = file.split("/").at(-2);
  if (folder === "classic" || folder === "buildkit" || folder === "beyond") return folder;
  throw new Error(`no language for ${file}`);
}

function optionsOf(file: string, values: Readonly<Record<string, string>>): string[] {
  const [, line = ""] = /^# options: (.*)$/m.exec(readFileSync(file, "utf8")) ?? [];
  return line
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => word.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? ""));
}

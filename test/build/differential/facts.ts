import type { FileFacts, SavedImage } from "./image-tree.ts";

/**
 * What an image is, as lines by what they are about: "/a" → "file 644 0:0 CONTENT TIME", "config Env" → "[…]",
 * "history 3" → "COPY".
 */
export type Facts = Readonly<Record<string, string>>;

export interface FactOptions {
  /** What was there before the build; facts of it that are still so are left out. */
  readonly base: SavedImage;
  /** The test's beginning, in seconds since 1970: later times are not copied ones, and only called new. */
  readonly since: number;
  /** Texts that differ from run to run, by the name that stands for them. */
  readonly values: Readonly<Record<string, string>>;
}

/** Everything that is compared of an image; histories only where the same Dockerfile was built step by step. */
export function factsOf(
  { document, tree }: SavedImage,
  withHistory: boolean,
  { base, since, values }: FactOptions,
): Facts {
  const facts: [string, string][] = [];
  for (const [path, file] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const before = base.tree.get(path);
    const text = fileFacts(file, since);
    if (before === undefined || fileFacts(before, since) !== text) facts.push([path, text]);
  }
  for (const path of base.tree.keys()) if (!tree.has(path)) facts.push([path, "removed"]);
  for (const key of CONFIG) {
    const value = document.config[key];
    if (!isEmpty(value)) facts.push([`config ${key}`, JSON.stringify(sorted(value))]);
  }
  if (!isEmpty(document.author)) facts.push(["config Author", document.author ?? ""]);
  for (const [at, { created_by = "", empty_layer }] of (withHistory ? document.history : []).entries())
    facts.push([
      `history ${at}`,
      `${createdBy(withNames(created_by, values))}${empty_layer === true ? " (empty)" : ""}`,
    ]);
  return Object.fromEntries(facts);
}

function fileFacts(file: FileFacts, since: number): string {
  return [
    file.type,
    file.type === "symlink" ? "" : file.mode,
    file.owner,
    file.content,
    isEmpty(file.attributes) ? "" : JSON.stringify(sorted(file.attributes)),
    file.mtime >= since ? "new" : new Date(file.mtime * 1000).toISOString(),
    file.twins.length === 0 ? "" : `same as ${[...file.twins].sort().join(" ")}`,
  ]
    .filter((fact) => fact !== "")
    .join(" ");
}

const CONFIG = [
  ...["User", "ExposedPorts", "Env", "Cmd", "Entrypoint", "Volumes", "Labels", "StopSignal", "Healthcheck"],
  ...["OnBuild", "Shell", "WorkingDir"],
];

const isEmpty = (value: unknown) =>
  value === undefined || value === null || value === "" || ["{}", "[]"].includes(JSON.stringify(value));

/** Objects have no order, lists have one. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const INSTRUCTION =
  /^(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)\s/i;

/**
 * What made a layer, in one spelling: Docker writes "/bin/sh -c #(nop)  CMD …" with evaluated values and the digests of
 * copied files, BuildKit and Gantry the instruction as it stands in the file. The command of a RUN is compared in full, of
 * others the instruction's name.
 */
function createdBy(text: string): string {
  const [, name] = /#\(nop\)\s+(\w+)/.exec(text) ?? INSTRUCTION.exec(text) ?? [];
  return name === undefined ? text.replace(/^RUN /, "") : name.toUpperCase();
}

function withNames(text: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((all, [name, value]) => all.replaceAll(value, `{${name}}`), text);
}

/** Lines for what is not the same, "WHAT: THEIRS | OURS". */
export function differencesOf(theirs: Facts, ours: Facts): string[] {
  return [...new Set([...Object.keys(theirs), ...Object.keys(ours)])].sort().flatMap((what) => {
    const [a = "none", b = "none"] = [theirs[what], ours[what]];
    return a === b ? [] : [`${what}: ${a} | ${b}`];
  });
}

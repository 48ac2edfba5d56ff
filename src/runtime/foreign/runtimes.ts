import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { invalid } from "../../errors/index.ts";

/** A program with the command line of OCI runtimes (create, start, state, kill, delete, exec), such as runc(8). */
export interface Runtime {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
}

/** The runtimes that containers can be made by. */
export interface Runtimes {
  /** Of containers that ask for none. */
  readonly defaultName: string;
  /** undefined for the engine's own. Throws invalid in Docker's words for a name that is none. */
  find(name: string): Runtime | undefined;
  /** All but the engine's own. */
  list(): Runtime[];
}

/** The name of the engine's own runtime. */
export const OWN_RUNTIME = "gantry";
/** Found by themselves where they are installed. */
const KNOWN = ["runc", "crun"];

export interface RuntimesOptions {
  /** "NAME=PATH"; a path without a slash is looked up in PATH. */
  readonly added: readonly string[];
  /** "" for the engine's own. */
  readonly defaultName: string;
}

/** Throws invalid for a runtime that is added twice, has a bad name or no program, and for a default that is none. */
export function createRuntimes({ added, defaultName }: RuntimesOptions): Runtimes {
  const runtimes = new Map<string, Runtime>();
  for (const text of added) {
    const runtime = parseRuntime(text);
    if (runtimes.has(runtime.name)) throw invalid(`the runtime ${runtime.name} is added twice`);
    runtimes.set(runtime.name, runtime);
  }
  for (const name of KNOWN) {
    const path = findProgram(name);
    if (path !== undefined && !runtimes.has(name)) runtimes.set(name, { name, path });
  }
  if (defaultName !== "" && defaultName !== OWN_RUNTIME && !runtimes.has(defaultName))
    throw invalid(`specified default runtime '${defaultName}' does not exist`);
  return {
    defaultName: defaultName === "" ? OWN_RUNTIME : defaultName,
    find(name) {
      if (name === OWN_RUNTIME) return undefined;
      const runtime = runtimes.get(name);
      if (runtime === undefined) throw invalid(`unknown or invalid runtime name: ${name}`);
      return runtime;
    },
    list: () => [...runtimes.values()],
  };
}

function parseRuntime(text: string): Runtime {
  const [, name = "", given = ""] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  if (!/^[A-Za-z0-9][\w.-]*$/.test(name) || given === "")
    throw invalid(`invalid runtime ${text}: must be NAME=PATH`);
  if (name === OWN_RUNTIME) throw invalid(`runtime name '${OWN_RUNTIME}' is reserved`);
  const path = findProgram(given);
  if (path === undefined) throw invalid(`invalid runtime ${text}: there is no program ${given}`);
  return { name, path };
}

function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(isAbsolute);
  const candidates = name.includes("/") ? [name] : folders.map((folder) => join(folder, name));
  return candidates.filter(isAbsolute).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

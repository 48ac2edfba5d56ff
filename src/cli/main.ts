import { accessSync, constants } from "node:fs";
import { DEFAULT_HOST, EngineClient } from "../client/index.ts";
import { userHost } from "../platform/places/index.ts";
import { ENGINE_VERSION } from "../wire/index.ts";
import { execute } from "./command/execute.ts";
import { type FlagValues, parseFlags } from "./command/flags.ts";
import { GLOBAL_FLAGS } from "./command/global-flags.ts";
import { COMMANDS, type Entry, GROUPS } from "./command/table.ts";
import { UsageError } from "./command/usage-error.ts";
import type { Endpoint } from "./context/endpoint.ts";
import { print, printError } from "./output/print.ts";

/** `gantry`: find the command, load it alone, run it. */
async function main(words: readonly string[]): Promise<number> {
  // A daemon is told apart first, so that a client loads nothing of one.
  if (words[0] === "daemon") {
    const { runDaemon } = await import("./daemon/command.ts");
    return runDaemon(words.slice(1));
  }
  if (words[0] === "oci") {
    const { runOci } = await import("./oci/main.ts");
    return runOci(words.slice(1));
  }
  const { values, rest } = parseFlags(words, GLOBAL_FLAGS, false);
  if (values.bool("version")) {
    await print(`Gantry version ${ENGINE_VERSION}\n`);
    return 0;
  }
  if (values.has("config")) process.env.DOCKER_CONFIG = values.string("config");
  const [first, ...others] = rest;
  if (first === undefined || (first === "help" && others.length === 0) || values.bool("help")) {
    const { mainHelp } = await import("./command/main-help.ts");
    await print(mainHelp());
    return 0;
  }
  const group = Object.hasOwn(GROUPS, first) ? GROUPS[first] : undefined;
  if (group !== undefined) return runGroup(first, group.entries, others, values);
  const [name = "", ...args] = first === "help" ? [...others, "--help"] : rest;
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) return unknown(`gantry: unknown command: gantry ${name}`, "gantry --help");
  return execute(await entry.load(), args, await clientFor(values));
}

async function runGroup(
  name: string,
  entries: Readonly<Record<string, Entry | undefined>>,
  [sub, ...args]: readonly string[],
  values: FlagValues,
): Promise<number> {
  if (sub === undefined || sub === "--help") {
    const { groupHelp } = await import("./command/main-help.ts");
    await print(groupHelp(name));
    return 0;
  }
  const entry = Object.hasOwn(entries, sub) ? entries[sub] : undefined;
  if (entry === undefined)
    return unknown(`gantry: unknown command: gantry ${name} ${sub}`, `gantry ${name} --help`);
  return execute(await entry.load(), args, await clientFor(values));
}

function unknown(what: string, help: string): number {
  printError(`${what}\n\nRun '${help}' for more information`);
  return 1;
}

const LOG_LEVELS = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"];

async function clientFor(values: FlagValues): Promise<EngineClient> {
  const level = values.string("log-level");
  if (!LOG_LEVELS.includes(level)) throw new Error(`Unable to parse logging level: ${level}`);
  const isTraced = values.bool("debug") || level === "debug" || level === "trace";
  const uid = process.getuid?.() ?? 0;
  const own = uid === 0 || mayUse(DEFAULT_HOST) ? DEFAULT_HOST : userHost(uid);
  const { host, tls } = await whereTo(values, own);
  return new EngineClient(host, {
    tls,
    trace: isTraced ? debugLine : undefined,
    revive: async () => {
      // Only the daemon of this machine, or of this user, with its default places is ours to start.
      if (host !== own || (uid !== 0 && own === DEFAULT_HOST)) return false;
      const { startDaemonInBackground } = await import("./daemon/autostart.ts");
      await startDaemonInBackground(uid);
      return true;
    },
  });
}

/** What everybody does needs neither contexts nor certificates, nor the modules that read them. */
async function whereTo(values: FlagValues, own: string): Promise<Endpoint> {
  const named = values.string("host") || process.env.GANTRY_HOST || process.env.DOCKER_HOST;
  if (named?.startsWith("unix://") && !values.has("context")) return { host: named, tls: undefined };
  const { endpointOf } = await import("./context/endpoint.ts");
  return endpointOf(values, own);
}

const debugLine = (words: string) =>
  printError(`time=${JSON.stringify(new Date().toISOString())} level=debug msg=${JSON.stringify(words)}`);

/** Whether this user is let in by the machine's own daemon, as members of its group are. */
function mayUse(host: string): boolean {
  try {
    accessSync(host.slice("unix://".length), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

let exitCode: number;
try {
  exitCode = await main(process.argv.slice(2));
} catch (error) {
  printError(`gantry: ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof UsageError) printError("\nRun 'gantry --help' for more information");
  exitCode = error instanceof UsageError ? 125 : 1;
}
process.exit(exitCode);

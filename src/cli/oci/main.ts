import { existsSync } from "node:fs";
import { join } from "node:path";
import { invalid, messageOf, unsupported } from "../../errors/index.ts";
import { installShim } from "../../platform/index.ts";
import { type CgroupLayout, readCgroupLayout } from "../../runtime/cgroup/index.ts";
import { OCI_VERSION, StateStore } from "../../runtime/oci/index.ts";
import { createSeccompCompiler } from "../../runtime/seccomp/index.ts";
import { openScopes, type Scopes, SYSTEM_MANAGER } from "../../runtime/systemd/index.ts";
import { ENGINE_VERSION } from "../../wire/index.ts";
import { bool, string } from "../command/command.ts";
import { type FlagValues, parseFlags } from "../command/flags.ts";
import { flagLines } from "../command/help.ts";
import { UsageError } from "../command/usage-error.ts";
import { print } from "../output/print.ts";
import { COMMANDS } from "./commands.ts";
import { type OciLog, openLog } from "./log.ts";
import { shimFolder } from "./shim-folder.ts";

const GLOBAL_FLAGS = [
  bool("debug", "Tell more in the log"),
  bool("help", "Print usage", { short: "h" }),
  string("log", "File that errors and warnings are appended to (default: stderr)"),
  string("log-format", "Format of the log: 'text' or 'json'", { fallback: "text" }),
  string("root", "Folder of the containers' state, on a tmpfs", { fallback: "/run/gantry-oci" }),
  string("rootless", "Ignore errors of control groups: only 'false' and 'auto'", { fallback: "auto" }),
  bool("systemd-cgroup", "Have systemd make the control groups"),
  bool("version", "Print version", { short: "v" }),
];

/** `gantry oci`: the command line of an OCI runtime, as engines know it from runc. Gives the exit code. */
export async function runOci(words: readonly string[]): Promise<number> {
  let log: OciLog = openLog("", "text");
  try {
    const { values, rest } = parseFlags(words, GLOBAL_FLAGS, false);
    if (values.bool("version")) {
      await print(`gantry version ${ENGINE_VERSION}\nspec: ${OCI_VERSION}\n`);
      return 0;
    }
    const format = values.string("log-format");
    if (format !== "text" && format !== "json") throw invalid(`unknown log-format ${JSON.stringify(format)}`);
    log = openLog(values.string("log"), format);
    const [name, ...args] = rest;
    if (name === undefined || name === "help" || values.bool("help")) {
      await print(helpText());
      return 0;
    }
    return await runCommand(name, args, values, log);
  } catch (error) {
    log.error(messageOf(error));
    return 1;
  }
}

async function runCommand(
  name: string,
  words: readonly string[],
  globals: FlagValues,
  log: OciLog,
): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new UsageError(`no such command: ${name}`);
  const { values, rest } = parseFlags(words, [...command.flags, bool("help", "Print usage")], false);
  if (values.bool("help")) {
    const usage = `Usage:  gantry oci ${name} ${command.usage}\n\n${command.summary}\n\nOptions:`;
    await print(`${[usage, ...flagLines(command.flags)].join("\n")}\n`);
    return 0;
  }
  if (rest.length < command.minArgs || rest.length > (command.maxArgs ?? Number.POSITIVE_INFINITY))
    throw new UsageError(`usage: gantry oci ${name} ${command.usage}`);
  refuseUnsupported(globals);
  const layout = readCgroupLayout();
  const root = globals.string("root");
  return command.run({
    context: {
      store: new StateStore(root, layout),
      layout,
      shimPath: installShim(shimFolder(root)),
      systemd: globals.bool("systemd-cgroup"),
      openScopes: () => openSystemdScopes(layout, installShim(shimFolder(root))),
      // No id of a container has this letter.
      seccomp: lazily(() =>
        createSeccompCompiler({
          shimPath: installShim(shimFolder(root)),
          cacheFolder: join(root, "@seccomp"),
        }),
      ),
      warn: (message) => log.warn(message),
    },
    flags: values,
    args: rest,
  });
}

/** The compiler makes its folder when it is made; most commands compile nothing. */
function lazily(
  make: () => ReturnType<typeof createSeccompCompiler>,
): ReturnType<typeof createSeccompCompiler> {
  return { compile: (profile, capabilities) => make().compile(profile, capabilities) };
}

function refuseUnsupported(globals: FlagValues): void {
  if (globals.string("rootless") === "true")
    throw unsupported("--rootless=true is not supported: this runtime needs root");
  if (globals.bool("systemd-cgroup") && !existsSync("/run/systemd/system"))
    throw unsupported(
      "systemd cgroup flag passed, but systemd support for managing cgroups is not available",
    );
}

async function openSystemdScopes(layout: CgroupLayout, shimPath: string): Promise<Scopes> {
  if (layout.legacy.size > 0)
    throw unsupported(
      "--systemd-cgroup needs a machine with nothing but version 2 of control groups: this one has controllers in version 1",
    );
  return openScopes({ address: SYSTEM_MANAGER, slice: "system.slice", prefix: "gantry-oci", shimPath });
}

function helpText(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(11)} ${summary}`);
  return `${[
    "Usage:  gantry oci [OPTIONS] COMMAND",
    "",
    "An OCI runtime: containers from bundles (OCI runtime specification)",
    "",
    "Commands:",
    ...rows,
    "",
    "Options:",
    ...flagLines(GLOBAL_FLAGS),
  ].join("\n")}\n`;
}

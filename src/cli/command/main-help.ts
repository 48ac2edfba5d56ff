import { GLOBAL_FLAGS } from "./global-flags.ts";
import { flagLines } from "./help.ts";
import { COMMANDS, GROUPS } from "./table.ts";

const row = (name: string, summary: string) => `  ${name.padEnd(11)} ${summary}`;

export function mainHelp(): string {
  const entries = Object.entries(COMMANDS);
  return `${[
    "Usage:  gantry [OPTIONS] COMMAND",
    "",
    "A container engine: client, daemon and registry in one file",
    "",
    "Common Commands:",
    ...entries.filter(([, { common }]) => common === true).map(([name, { summary }]) => row(name, summary)),
    "",
    "Management Commands:",
    ...Object.entries(GROUPS).map(([name, { summary }]) => row(name, summary)),
    row("daemon", "Run the engine"),
    row("oci", "Run containers from OCI bundles"),
    "",
    "Commands:",
    ...entries.filter(([, { common }]) => common !== true).map(([name, { summary }]) => row(name, summary)),
    "",
    "Global Options:",
    ...flagLines(GLOBAL_FLAGS),
    "",
    "Run 'gantry COMMAND --help' for more information on a command.",
  ].join("\n")}\n`;
}

export function groupHelp(name: string): string {
  const group = GROUPS[name];
  const entries = Object.entries(group?.entries ?? {}).filter(
    ([key]) => !["list", "ps", "remove"].includes(key),
  );
  return `${[
    `Usage:  gantry ${name} COMMAND`,
    "",
    group?.summary ?? "",
    "",
    "Commands:",
    ...entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, entry]) => row(key, entry?.summary ?? "")),
    "",
    `Run 'gantry ${name} COMMAND --help' for more information on a command.`,
  ].join("\n")}\n`;
}

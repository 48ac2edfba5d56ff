import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { installShim } from "../../platform/index.ts";
import { createFileCopier } from "../../runtime/files/index.ts";
import { humanSize } from "../../units/index.ts";
import { bool, type Command } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { copyFromContainer } from "../copy/from-container.ts";
import { copyToContainer } from "../copy/to-container.ts";
import { printError } from "../output/print.ts";

export const cp: Command = {
  name: "cp",
  usage:
    "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n        gantry cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
  description:
    "Copy files/folders between a container and the local filesystem\n\nUse '-' as the source to read a tar archive from stdin\nand extract it to a directory destination in a container.\nUse '-' as the destination to stream a tar archive of a\ncontainer source to stdout.",
  aliases: ["container cp", "cp"],
  flags: [
    bool("archive", "Give everything to the container's user", { short: "a" }),
    bool("follow-link", "Copy what a link in SRC_PATH leads to", { short: "L" }),
    bool("quiet", "Do not say what was copied; default where stdout is no terminal", { short: "q" }),
  ],
  minArgs: 2,
  maxArgs: 2,
  async run({ flags, args: [from = "", to = ""], client }) {
    if (from === "") throw new ExitError(1, "source can not be empty");
    if (to === "") throw new ExitError(1, "destination can not be empty");
    const [source, destination] = [splitArgument(from), splitArgument(to)];
    if (source.container !== "" && destination.container !== "")
      throw new ExitError(1, "copying between containers is not supported");
    const container = source.container || destination.container;
    if (container === "") throw new ExitError(1, "must specify at least one container source");
    const quiet = flags.has("quiet") ? flags.bool("quiet") : process.stdout.isTTY !== true;
    using folder = temporaryFolder();
    const request = {
      client,
      copier: createFileCopier(installShim(folder.path)),
      container,
      source: source.path,
      destination: destination.path,
      followLink: flags.bool("follow-link"),
      quiet,
    };
    const copied =
      source.container === ""
        ? await copyToContainer({ ...request, copyUidGid: flags.bool("archive") })
        : await copyFromContainer(request);
    if (copied !== undefined && !quiet)
      printError(`Successfully copied ${humanSize(copied.bytes, 3)} to ${copied.place}`);
    return 0;
  },
};

/** "CONTAINER:PATH", or a path of this machine: one that is absolute, begins with a dot or has no colon. */
function splitArgument(text: string): { container: string; path: string } {
  const colon = text.indexOf(":");
  if (text.startsWith("/") || text.startsWith(".") || colon < 0) return { container: "", path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

/**
 * The helper that packs and unpacks here is a program of its own; only the daemon has it in a lasting place. Its folder
 * goes however the command ends: by itself, by a closed pipe, by Ctrl-C.
 */
function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "gantry-cp-"));
  const remove = () => rmSync(path, { recursive: true, force: true });
  const end = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal]);
  process.once("exit", remove);
  for (const signal of ENDS) process.once(signal, end);
  return {
    path,
    [Symbol.dispose]() {
      process.off("exit", remove);
      for (const signal of ENDS) process.off(signal, end);
      remove();
    },
  };
}

const ENDS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

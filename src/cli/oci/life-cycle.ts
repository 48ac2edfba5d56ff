import { resolve } from "node:path";
import { conflict, invalid } from "../../errors/index.ts";
import { controlGroup } from "../../runtime/cgroup/index.ts";
import {
  afterStart,
  type CreateOptions,
  createContainer,
  deleteContainer,
  killContainer,
  removeContainer,
  startContainer,
} from "../../runtime/oci/index.ts";
import { parseSignal } from "../../units/index.ts";
import { bool, int, string } from "../command/command.ts";
import type { FlagValues } from "../command/flags.ts";
import type { OciCommand } from "./command.ts";
import { runForeground } from "./foreground.ts";

const ID = "CONTAINER";

export const HANDOVER_FLAGS = [
  string("console-socket", "Unix socket that gets the terminal's master"),
  string("pid-file", "File to write the process id to"),
  int("preserve-fds", "Pass so many more descriptors on", { fallback: "0" }),
];

const CREATE_FLAGS = [
  string("bundle", "Folder of the bundle (default: the working directory)", { short: "b" }),
  bool("no-new-keyring", "Keep the session keyring of the caller"),
  bool("no-pivot", "Not supported: the root is always pivoted"),
  ...HANDOVER_FLAGS,
];

function createOptions(flags: FlagValues, id: string, stays: boolean): CreateOptions {
  if (flags.bool("no-pivot")) throw invalid("--no-pivot is not supported: the root is always pivoted");
  const listening = Number(process.env.LISTEN_FDS ?? 0);
  if (!Number.isInteger(listening) || listening < 0) throw invalid(`invalid LISTEN_FDS: ${listening}`);
  return {
    id,
    bundle: resolve(flags.string("bundle") || "."),
    stays,
    listening,
    newKeyring: !flags.bool("no-new-keyring"),
    ...handoverOptions(flags, listening),
  };
}

/** Options of create, run and exec on what passes from the caller to the process. */
export function handoverOptions(
  flags: FlagValues,
  listening = 0,
): Pick<CreateOptions, "consoleSocket" | "pidFile" | "preserved"> {
  const preserved = Number(flags.string("preserve-fds"));
  if (preserved < 0) throw invalid(`invalid --preserve-fds: ${preserved}`);
  return {
    consoleSocket: flags.optional("console-socket"),
    pidFile: flags.optional("pid-file"),
    preserved: preserved + listening,
  };
}

export const create: OciCommand = {
  summary: "Create a container; its program waits for start",
  usage: `[OPTIONS] ${ID}`,
  flags: CREATE_FLAGS,
  minArgs: 1,
  maxArgs: 1,
  async run({ context, flags, args: [id = ""] }) {
    await createContainer(context, createOptions(flags, id, false));
    return 0;
  },
};

export const start: OciCommand = {
  summary: "Run the program of a created container",
  usage: ID,
  flags: [],
  minArgs: 1,
  maxArgs: 1,
  async run({ context, args: [id = ""] }) {
    await startContainer(context, id);
    return 0;
  },
};

export const run: OciCommand = {
  summary: "Create and start a container, and wait for its end",
  usage: `[OPTIONS] ${ID}`,
  flags: [
    ...CREATE_FLAGS,
    bool("detach", "Do not wait for its end", { short: "d" }),
    bool("keep", "Do not delete the container after its end"),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ context, flags, args: [id = ""] }) {
    if (flags.bool("detach")) {
      await createContainer(context, createOptions(flags, id, false));
      try {
        await startContainer(context, id);
      } catch (error) {
        await deleteContainer(context, id, { force: true });
        throw error;
      }
      return 0;
    }
    const { record, task } = await createContainer(context, createOptions(flags, id, true));
    try {
      return await runForeground(task, () => afterStart(context, record));
    } finally {
      if (!flags.bool("keep")) await removeContainer(context, record);
    }
  },
};

export const kill: OciCommand = {
  summary: "Send a signal (SIGTERM when none is named) to a container's first process",
  usage: `[OPTIONS] ${ID} [SIGNAL]`,
  flags: [bool("all", "To all processes of the container", { short: "a" })],
  minArgs: 1,
  maxArgs: 2,
  async run({ context, flags, args: [id = "", signal = "SIGTERM"] }) {
    await killContainer(context, id, parseSignal(signal), { all: flags.bool("all") });
    return 0;
  },
};

export const deleteCommand: OciCommand = {
  summary: "Release what a stopped container holds",
  usage: `[OPTIONS] ${ID}`,
  flags: [bool("force", "Kill it first (SIGKILL) if it still runs", { short: "f" })],
  minArgs: 1,
  maxArgs: 1,
  async run({ context, flags, args: [id = ""] }) {
    await deleteContainer(context, id, { force: flags.bool("force") });
    return 0;
  },
};

export const pause: OciCommand = {
  summary: "Stop all processes of a container where they are",
  usage: ID,
  flags: [],
  minArgs: 1,
  maxArgs: 1,
  async run({ context, args: [id = ""] }) {
    const record = context.store.load(id);
    const status = context.store.statusOf(record);
    if (status !== "running" && status !== "created") throw conflict("container not running");
    await controlGroup(context.layout, record.cgroupPath).freeze();
    return 0;
  },
};

export const resume: OciCommand = {
  summary: "Let the processes of a paused container go on",
  usage: ID,
  flags: [],
  minArgs: 1,
  maxArgs: 1,
  async run({ context, args: [id = ""] }) {
    const record = context.store.load(id);
    if (context.store.statusOf(record) !== "paused") throw conflict("container not paused");
    controlGroup(context.layout, record.cgroupPath).thaw();
    return 0;
  },
};

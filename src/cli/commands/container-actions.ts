import { ApiError } from "../../client/index.ts";
import { bool, type Command, int, string } from "../command/command.ts";
import { sentenceOf } from "../command/execute.ts";
import { ExitError } from "../command/usage-error.ts";
import { printError, printLine } from "../output/print.ts";
import { forEach, segment } from "./each.ts";
import { waitFor } from "./run.ts";

const CONTAINERS = "CONTAINER [CONTAINER...]";

const STOP_FLAGS = [
  string("signal", "Signal to send", { short: "s" }),
  int("timeout", "Seconds to wait before killing the container", { short: "t" }),
  int("time", "", { aliasOf: "timeout" }),
];

export const stop: Command = {
  name: "stop",
  usage: `[OPTIONS] ${CONTAINERS}`,
  description: "Stop one or more running containers",
  aliases: ["container stop", "stop"],
  flags: STOP_FLAGS,
  minArgs: 1,
  run: ({ flags, args, client }) =>
    forEach(args, (name) =>
      client.json("POST", `/containers/${segment(name)}/stop`, {
        t: flags.int("timeout"),
        signal: flags.optional("signal"),
      }),
    ),
};

export const restart: Command = {
  name: "restart",
  usage: `[OPTIONS] ${CONTAINERS}`,
  description: "Restart one or more containers",
  aliases: ["container restart", "restart"],
  flags: STOP_FLAGS,
  minArgs: 1,
  run: ({ flags, args, client }) =>
    forEach(args, (name) =>
      client.json("POST", `/containers/${segment(name)}/restart`, {
        t: flags.int("timeout"),
        signal: flags.optional("signal"),
      }),
    ),
};

export const kill: Command = {
  name: "kill",
  usage: `[OPTIONS] ${CONTAINERS}`,
  description: "Kill one or more running containers",
  aliases: ["container kill", "kill"],
  flags: [string("signal", "Signal to send", { short: "s" })],
  minArgs: 1,
  run: ({ flags, args, client }) =>
    forEach(args, (name) =>
      client.json("POST", `/containers/${segment(name)}/kill`, { signal: flags.optional("signal") }),
    ),
};

export const pause: Command = {
  name: "pause",
  usage: CONTAINERS,
  description: "Pause all processes within one or more containers",
  aliases: ["container pause", "pause"],
  flags: [],
  minArgs: 1,
  run: ({ args, client }) =>
    forEach(args, (name) => client.json("POST", `/containers/${segment(name)}/pause`)),
};

export const unpause: Command = {
  name: "unpause",
  usage: CONTAINERS,
  description: "Unpause all processes within one or more containers",
  aliases: ["container unpause", "unpause"],
  flags: [],
  minArgs: 1,
  run: ({ args, client }) =>
    forEach(args, (name) => client.json("POST", `/containers/${segment(name)}/unpause`)),
};

export const rm: Command = {
  name: "rm",
  usage: `[OPTIONS] ${CONTAINERS}`,
  description: "Remove one or more containers",
  aliases: ["container rm", "container remove", "rm"],
  flags: [
    bool("force", "Kill a running container (with SIGKILL) and remove it", { short: "f" }),
    bool("link", "Remove the link and not the container", { short: "l" }),
    bool("volumes", "Remove its anonymous volumes as well", { short: "v" }),
  ],
  minArgs: 1,
  run: ({ flags, args, client }) =>
    forEach(
      args,
      (name) =>
        client.json("DELETE", `/containers/${segment(name.replace(/^\//, ""))}`, {
          v: flags.bool("volumes") ? 1 : undefined,
          force: flags.bool("force") ? 1 : undefined,
          link: flags.bool("link") ? 1 : undefined,
        }),
      // With force the wish is fulfilled.
      { forgives: (error) => flags.bool("force") && error instanceof ApiError && error.status === 404 },
    ),
};

export const wait: Command = {
  name: "wait",
  usage: CONTAINERS,
  description: "Block until one or more containers stop, then print their exit codes",
  aliases: ["container wait", "wait"],
  flags: [],
  minArgs: 1,
  async run({ args, client }) {
    const ended = await Promise.all(args.map((name) => waitFor(client, segment(name), "not-running")));
    for (const { exitCode } of ended) await printLine(String(await exitCode));
    return 0;
  },
};

export const rename: Command = {
  name: "rename",
  usage: "CONTAINER NEW_NAME",
  description: "Rename a container",
  aliases: ["container rename", "rename"],
  flags: [],
  minArgs: 2,
  maxArgs: 2,
  async run({ args: [name = "", newName = ""], client }) {
    try {
      await client.json("POST", `/containers/${segment(name)}/rename`, { name: newName });
    } catch (error) {
      printError(sentenceOf(error));
      throw new ExitError(1, `Error: failed to rename container named ${name}`);
    }
    return 0;
  },
};

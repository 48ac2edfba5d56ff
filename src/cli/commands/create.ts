import type { Command } from "../command/command.ts";
import { printLine } from "../output/print.ts";
import { createBody } from "../run/create-body.ts";
import { CREATE_FLAGS } from "../run/flags.ts";
import { createContainer } from "./run.ts";

export const create: Command = {
  name: "create",
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  description: "Create a new container",
  aliases: ["container create", "create"],
  flags: CREATE_FLAGS,
  interspersed: false,
  minArgs: 1,
  async run({ flags, args, client }) {
    const [image = "", ...command] = args;
    await printLine(await createContainer(client, flags, createBody(flags, image, command)));
    return 0;
  },
};

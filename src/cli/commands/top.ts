import type { TopReply } from "../../wire/index.ts";
import type { Command } from "../command/command.ts";
import { print } from "../output/print.ts";
import { formatTable } from "../output/table.ts";
import { segment } from "./each.ts";

/** Docker gives these columns more room than those of its lists. */
const MIN_WIDTH = 20;

export const top: Command = {
  name: "top",
  usage: "CONTAINER [ps OPTIONS]",
  description: "Display the running processes of a container",
  aliases: ["container top", "top"],
  flags: [],
  interspersed: false,
  minArgs: 1,
  async run({ args: [name = "", ...options], client }) {
    const { Titles, Processes } = await client.json<TopReply>("GET", `/containers/${segment(name)}/top`, {
      ps_args: options.join(" "),
    });
    await print(formatTable([Titles, ...Processes], MIN_WIDTH));
    return 0;
  },
};

import { readFrames } from "../../client/index.ts";
import type { ContainerInspect } from "../../wire/index.ts";
import { bool, type Command, string } from "../command/command.ts";
import { writeOut } from "../output/print.ts";
import { segment } from "./each.ts";
import { momentOf } from "./moment.ts";

export const logs: Command = {
  name: "logs",
  usage: "[OPTIONS] CONTAINER",
  description: "Fetch the logs of a container",
  aliases: ["container logs", "logs"],
  flags: [
    bool("details", "Show extra details that were logged"),
    bool("follow", "Follow the output", { short: "f" }),
    string("since", "Show logs since a time (2013-01-02T13:23:37Z) or so long ago (42m)"),
    string("tail", "Number of lines from the end of the logs", { short: "n", fallback: "all" }),
    bool("timestamps", "Show timestamps", { short: "t" }),
    string("until", "Show logs before a time (2013-01-02T13:23:37Z) or so long ago (42m)"),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [name = ""], client }) {
    const { Id, Config } = await client.json<ContainerInspect>("GET", `/containers/${segment(name)}/json`);
    const body = client.bytes("GET", `/containers/${Id}/logs`, {
      stdout: 1,
      stderr: 1,
      follow: flags.bool("follow") ? 1 : undefined,
      timestamps: flags.bool("timestamps") ? 1 : undefined,
      details: flags.bool("details") ? 1 : undefined,
      since: momentOf(flags.optional("since")),
      until: momentOf(flags.optional("until")),
      tail: flags.string("tail"),
    });
    if (Config.Tty) for await (const bytes of body) await writeOut(1, bytes);
    else for await (const { stream, bytes } of readFrames(body)) await writeOut(stream === 2 ? 2 : 1, bytes);
    return 0;
  },
};

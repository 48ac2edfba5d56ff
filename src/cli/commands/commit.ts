import { parseReference } from "../../reference/index.ts";
import { bool, type Command, list, string } from "../command/command.ts";
import { printLine } from "../output/print.ts";

export const commit: Command = {
  name: "commit",
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  description: "Create a new image from a container's changes",
  aliases: ["container commit", "commit"],
  flags: [
    string("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', { short: "a" }),
    list("change", "Apply a Dockerfile instruction to the image", { short: "c" }),
    string("message", "Commit message", { short: "m" }),
    bool("pause", "Pause the container during the commit", { short: "p", fallback: "true" }),
  ],
  minArgs: 1,
  maxArgs: 2,
  async run({ flags, args: [container = "", name], client }) {
    const tag = name === undefined ? undefined : parseReference(name).tag;
    const query = {
      container,
      repo: name?.replace(/:[^:/]+$/, ""),
      tag,
      author: flags.string("author"),
      comment: flags.string("message"),
      changes: flags.list("change"),
      pause: flags.bool("pause") ? 1 : 0,
    };
    const { Id } = await client.json<{ Id: string }>("POST", "/commit", query);
    await printLine(Id);
    return 0;
  },
};

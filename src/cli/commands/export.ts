import { type Command, string } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { writeOut } from "../output/print.ts";
import { writeFileWhole } from "../run/files.ts";
import { segment } from "./each.ts";

export const exportContainer: Command = {
  name: "export",
  usage: "[OPTIONS] CONTAINER",
  description: "Export a container's filesystem as a tar archive",
  aliases: ["container export", "export"],
  flags: [string("output", "Write to a file, instead of STDOUT", { short: "o" })],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [container = ""], client }) {
    const output = flags.string("output");
    if (output === "" && process.stdout.isTTY)
      throw new ExitError(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    const archive = client.bytes("GET", `/containers/${segment(container)}/export`);
    if (output !== "") await writeFileWhole(output, archive);
    else for await (const bytes of archive) await writeOut(1, bytes);
    return 0;
  },
};

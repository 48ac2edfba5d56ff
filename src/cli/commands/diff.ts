import type { FilesystemChange } from "../../wire/index.ts";
import type { Command } from "../command/command.ts";
import { print } from "../output/print.ts";
import { segment } from "./each.ts";

const LETTERS = ["C", "A", "D"];

export const diff: Command = {
  name: "diff",
  usage: "CONTAINER",
  description: "Inspect changes to files or directories on a container's filesystem",
  aliases: ["container diff", "diff"],
  flags: [],
  minArgs: 1,
  maxArgs: 1,
  async run({ args: [name = ""], client }) {
    const changes = await client.json<FilesystemChange[] | null>(
      "GET",
      `/containers/${segment(name)}/changes`,
    );
    await print((changes ?? []).map(({ Kind, Path }) => `${LETTERS[Kind] ?? "?"} ${Path}\n`).join(""));
    return 0;
  },
};

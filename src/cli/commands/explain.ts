import type { ContainerExplanation } from "../../wire/index.ts";
import { bool, type Command } from "../command/command.ts";
import { explanationText } from "../explain/text.ts";
import { print } from "../output/print.ts";
import { segment } from "./each.ts";

export const explain: Command = {
  name: "explain",
  usage: "[OPTIONS] CONTAINER",
  description:
    "Show what makes a container: its namespaces, limits, layers, rights and network, and the launch plan with the system calls that it becomes",
  aliases: ["container explain", "explain"],
  flags: [bool("json", "As data")],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [name = ""], client }) {
    const reply = await client.json<ContainerExplanation>("GET", `/containers/${segment(name)}/explain`);
    await printExplanation(reply, flags.bool("json"));
    return 0;
  },
};

/** For a person, or as data. */
export const printExplanation = (explanation: ContainerExplanation, asJson: boolean): Promise<void> =>
  print(asJson ? `${JSON.stringify(explanation, undefined, 2)}\n` : explanationText(explanation));

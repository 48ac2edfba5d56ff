import { bool, type Command, FORMAT_FLAG } from "../command/command.ts";
import {
  currentContext,
  DEFAULT_CONTEXT,
  type DockerContext,
  listContexts,
  useContext,
} from "../context/store.ts";
import { type Column, printList } from "../output/list.ts";
import { print, printError, printLine } from "../output/print.ts";

interface Row extends Pick<DockerContext, "name" | "description" | "host"> {
  readonly isCurrent: boolean;
}

const COLUMNS: readonly Column<Row>[] = [
  { name: "Name", header: "NAME", text: ({ name }) => name },
  { name: "Current", header: "CURRENT", text: ({ isCurrent }) => (isCurrent ? "*" : "") },
  { name: "Description", header: "DESCRIPTION", text: ({ description }) => description },
  { name: "DockerEndpoint", header: "DOCKER ENDPOINT", text: ({ host }) => host },
];

export const listAllContexts: Command = {
  name: "context ls",
  usage: "[OPTIONS]",
  description: "List contexts",
  aliases: ["context ls", "context list"],
  flags: [FORMAT_FLAG, bool("quiet", "Print names only", { short: "q" })],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const current = currentContext();
    const own =
      current === DEFAULT_CONTEXT ? client.host : process.env.GANTRY_HOST || process.env.DOCKER_HOST || "";
    const rows = [
      { name: DEFAULT_CONTEXT, description: "This machine's own daemon, or the environment's", host: own },
      ...listContexts(),
    ].map((row): Row => ({ ...row, isCurrent: row.name === current }));
    if (flags.bool("quiet")) await print(rows.map(({ name }) => `${name}\n`).join(""));
    else
      await printList(rows, {
        columns: COLUMNS,
        shown: ["Name", "Current", "Description", "DockerEndpoint"],
        format: flags.string("format"),
      });
    return 0;
  },
};

export const showContext: Command = {
  name: "context show",
  usage: "",
  description: "Print the name of the current context",
  flags: [],
  minArgs: 0,
  maxArgs: 0,
  async run() {
    await printLine(currentContext());
    return 0;
  },
};

export const useOneContext: Command = {
  name: "context use",
  usage: "CONTEXT",
  description: "Set the current context, for Docker's client too",
  flags: [],
  minArgs: 1,
  maxArgs: 1,
  async run({ args: [name = ""] }) {
    useContext(name);
    await printLine(name);
    if (currentContext() !== name)
      printError("Warning: DOCKER_HOST or DOCKER_CONTEXT is set, and stands against the current context");
    return 0;
  },
};

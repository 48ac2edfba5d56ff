import { ApiError, type QueryValues } from "../../client/index.ts";
import { bool, type Command, INSPECT_FORMAT_FLAG, type Invocation, string } from "../command/command.ts";
import { sentenceOf } from "../command/execute.ts";
import { ExitError } from "../command/usage-error.ts";
import { withGoFields } from "../output/go-fields.ts";
import { print, printError } from "../output/print.ts";
import { platformQuery } from "../run/platform.ts";
import { compileTemplate } from "../template/index.ts";
import { segment } from "./each.ts";

/** What can be looked at, in the order in which a name is looked for. */
const KINDS = ["container", "image", "network", "volume"] as const;
type Kind = (typeof KINDS)[number];

const PATHS: Readonly<Record<Kind, (name: string) => string>> = {
  container: (name) => `/containers/${name}/json`,
  image: (name) => `/images/${name}/json`,
  network: (name) => `/networks/${name}`,
  volume: (name) => `/volumes/${name}`,
};

export const inspect: Command = {
  name: "inspect",
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  description: "Return low-level information on containers, images, networks and volumes",
  flags: [
    INSPECT_FORMAT_FLAG,
    bool("size", "Show the sizes of files of a container", { short: "s" }),
    string("type", "Look only among objects of this type: container, image, network or volume"),
  ],
  minArgs: 1,
  run(invocation) {
    const type = invocation.flags.string("type");
    const kind = KINDS.find((known) => known === type);
    if (type !== "" && kind === undefined)
      throw new ExitError(1, `"${type}" is not a valid value for --type`);
    return inspectAll(invocation, kind === undefined ? KINDS : [kind]);
  },
};

export const inspectContainer: Command = {
  name: "container inspect",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  description: "Display detailed information on one or more containers",
  flags: [INSPECT_FORMAT_FLAG, bool("size", "Show the sizes of files", { short: "s" })],
  minArgs: 1,
  run: (invocation) => inspectAll(invocation, ["container"]),
};

export const inspectImage: Command = {
  name: "image inspect",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  description: "Display detailed information on one or more images",
  flags: [INSPECT_FORMAT_FLAG, string("platform", "Of the image for this platform (os/arch[/variant])")],
  minArgs: 1,
  run: (invocation) => inspectAll(invocation, ["image"]),
};

export const inspectNetwork: Command = {
  name: "network inspect",
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  description: "Display detailed information on one or more networks",
  flags: [INSPECT_FORMAT_FLAG, bool("verbose", "Show what a swarm knows of it", { short: "v" })],
  minArgs: 1,
  run: (invocation) => inspectAll(invocation, ["network"]),
};

export const inspectVolume: Command = {
  name: "volume inspect",
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  description: "Display detailed information on one or more volumes",
  flags: [INSPECT_FORMAT_FLAG],
  minArgs: 1,
  run: (invocation) => inspectAll(invocation, ["volume"]),
};

async function inspectAll({ flags, args, client }: Invocation, kinds: readonly Kind[]): Promise<number> {
  const format = flags.string("format");
  const template = format === "" || format === "json" ? undefined : compileTemplate(format);
  const queries: Partial<Record<Kind, QueryValues>> = {
    container: { size: flags.bool("size") ? 1 : undefined },
    image: { platform: platformQuery(flags.string("platform")) },
  };
  const found: unknown[] = [];
  const failures: string[] = [];
  for (const name of args) {
    try {
      found.push(await find(name));
    } catch (error) {
      failures.push(sentenceOf(error));
    }
  }
  if (template !== undefined)
    await print(found.map((object) => `${template.render(withGoFields(object))}\n`).join(""));
  else await print(format === "json" ? `${JSON.stringify(found)}\n` : `${JSON.stringify(found, null, 4)}\n`);
  for (const failure of failures) printError(failure);
  return failures.length === 0 ? 0 : 1;

  async function find(name: string): Promise<unknown> {
    for (const kind of kinds) {
      try {
        return await client.json("GET", PATHS[kind](segment(name)), queries[kind]);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404) || kinds.length === 1) throw error;
      }
    }
    throw new Error(`Error: No such object: ${name}`);
  }
}

import { parseReference, withDefaultTag } from "../../reference/index.ts";
import { registryAuthHeader } from "../account/accounts.ts";
import { bool, type Command, string } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { printLine } from "../output/print.ts";
import { showProgress } from "../output/progress.ts";
import { platformQuery } from "../run/platform.ts";

export const push: Command = {
  name: "push",
  usage: "[OPTIONS] NAME[:TAG]",
  description: "Upload an image to a registry",
  aliases: ["image push", "push"],
  flags: [
    bool("all-tags", "Push all tags of an image to the repository", { short: "a" }),
    string("platform", "Push only the image of this platform, without its index (os[/arch[/variant]])"),
    bool("quiet", "Print the image's name only", { short: "q" }),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [image = ""], client }) {
    const given = parseReference(image);
    const all = flags.bool("all-tags");
    if (all && given.tag !== undefined) throw new ExitError(1, "tag can't be used with --all-tags/-a");
    const reference = withDefaultTag(given);
    const { registry, path, tag } = reference;
    const quiet = flags.bool("quiet");
    if (!quiet && !all && given.tag === undefined) await printLine(`Using default tag: ${tag}`);
    const platform = flags.string("platform");
    const query = {
      tag: all ? "" : tag,
      platform: platformQuery(platform),
    };
    const headers = await registryAuthHeader(registry);
    const name = image.replace(/:[^:/]+$/, "");
    const messages = client.progress(`/images/${name}/push`, query, undefined, headers);
    await showProgress(messages, { quiet, fd: 1 });
    if (quiet) await printLine(all ? `${registry}/${path}` : `${registry}/${path}:${tag}`);
    return 0;
  },
};

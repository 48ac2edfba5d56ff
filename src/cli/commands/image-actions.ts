import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../../errors/index.ts";
import { parseReference, withDefaultTag } from "../../reference/index.ts";
import type { ImageDeleteItem } from "../../wire/index.ts";
import { bool, type Command, list, string } from "../command/command.ts";
import { sentenceOf } from "../command/execute.ts";
import { ExitError } from "../command/usage-error.ts";
import { printError, printLine, writeOut } from "../output/print.ts";
import { showProgress } from "../output/progress.ts";
import { sourceOf, writeFileWhole } from "../run/files.ts";
import { pullImage } from "../run/image.ts";
import { platformQuery } from "../run/platform.ts";
import { segment } from "./each.ts";

export const tag: Command = {
  name: "tag",
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  description: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  aliases: ["image tag", "tag"],
  flags: [],
  minArgs: 2,
  maxArgs: 2,
  async run({ args: [source = "", target = ""], client }) {
    const { tag: name } = withDefaultTag(parseTarget(target));
    const repo = target.replace(/:[^:/]+$/, "");
    await client.json("POST", `/images/${segment(source)}/tag`, { repo, tag: name });
    return 0;
  },
};

function parseTarget(target: string) {
  try {
    return parseReference(target);
  } catch (cause) {
    throw new Error(
      `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${messageOf(cause)}`,
      { cause },
    );
  }
}

export const rmi: Command = {
  name: "rmi",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  description: "Remove one or more images",
  aliases: ["image rm", "image remove", "rmi"],
  flags: [
    bool("force", "Remove the image even if containers or other names use it", { short: "f" }),
    bool("no-prune", "Keep its parents without a name"),
    list("platform", "Remove it only if it is for this platform (os/arch[/variant])"),
  ],
  minArgs: 1,
  async run({ flags, args, client }) {
    let failures = 0;
    for (const name of args) {
      try {
        const removed = await client.json<ImageDeleteItem[]>("DELETE", `/images/${segment(name)}`, {
          force: flags.bool("force") ? 1 : undefined,
          noprune: flags.bool("no-prune") ? 1 : undefined,
          platforms: flags.list("platform").flatMap((text) => platformQuery(text) ?? []),
        });
        for (const item of removed)
          await printLine("Deleted" in item ? `Deleted: ${item.Deleted}` : `Untagged: ${item.Untagged}`);
      } catch (error) {
        failures++;
        printError(sentenceOf(error));
      }
    }
    return failures === 0 ? 0 : 1;
  },
};

export const save: Command = {
  name: "save",
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  description: "Save one or more images to a tar archive (streamed to STDOUT by default)",
  aliases: ["image save", "save"],
  flags: [
    string("format", "Layout of the archive: docker-archive (an OCI layout too) or oci", {
      fallback: "docker-archive",
    }),
    string("output", "Write to a file, instead of STDOUT", { short: "o" }),
    string("platform", "Save only images of this platform (os/arch[/variant])"),
  ],
  minArgs: 1,
  async run({ flags, args, client }) {
    const output = flags.string("output");
    if (output === "" && process.stdout.isTTY)
      throw new ExitError(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (output !== "" && !existsSync(dirname(output)))
      throw new ExitError(
        1,
        `failed to save image: invalid output path: directory "${dirname(output)}" does not exist`,
      );
    const archive = client.bytes("GET", "/images/get", {
      names: args,
      format: flags.string("format"),
      platform: platformQuery(flags.string("platform")),
    });
    if (output === "") {
      for await (const bytes of archive) await writeOut(1, bytes);
      return 0;
    }
    await writeFileWhole(output, archive);
    return 0;
  },
};

export const load: Command = {
  name: "load",
  usage: "[OPTIONS]",
  description: "Load an image from a tar archive or STDIN",
  aliases: ["image load", "load"],
  flags: [
    string("input", "Read from a tar archive file, instead of STDIN", { short: "i" }),
    string("platform", "Load only the image of this platform (os/arch[/variant])"),
    bool("quiet", "Do not print what is loaded", { short: "q" }),
  ],
  minArgs: 0,
  maxArgs: 0,
  async run({ flags, client }) {
    const input = flags.string("input");
    if (input === "" && process.stdin.isTTY)
      throw new ExitError(1, "requested load from stdin, but stdin is empty");
    const quiet = flags.bool("quiet");
    const messages = client.progress(
      "/images/load",
      { quiet: quiet ? 1 : undefined, platform: platformQuery(flags.string("platform")) },
      sourceOf(input || "-"),
    );
    await showProgress(messages, { quiet: false, fd: 1 });
    return 0;
  },
};

export const importImage: Command = {
  name: "import",
  usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
  description: "Import the contents from a tarball to create a filesystem image",
  aliases: ["image import", "import"],
  flags: [
    list("change", "Apply a Dockerfile instruction to the image", { short: "c" }),
    string("message", "Set the message of the image's first layer", { short: "m" }),
    string("platform", "Set the platform"),
  ],
  minArgs: 1,
  maxArgs: 2,
  async run({ flags, args: [source = "", name], client }) {
    const isUrl = /^https?:\/\//.test(source);
    const query = {
      fromSrc: isUrl ? source : "-",
      repo: name?.replace(/:[^:/]+$/, ""),
      tag: name === undefined ? undefined : withDefaultTag(parseReference(name)).tag,
      message: flags.optional("message"),
      platform: flags.optional("platform"),
      changes: flags.list("change"),
    };
    const messages = client.progress("/images/create", query, isUrl ? undefined : sourceOf(source));
    await showProgress(messages, { quiet: false, fd: 1 });
    return 0;
  },
};

export const pull: Command = {
  name: "pull",
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  description: "Download an image from a registry",
  aliases: ["image pull", "pull"],
  flags: [
    bool("all-tags", "Download all tagged images in the repository", { short: "a" }),
    string("platform", "Platform of the image"),
    bool("quiet", "Print the image's name only", { short: "q" }),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [image = ""], client }) {
    const given = parseReference(image);
    const reference = withDefaultTag(given);
    const quiet = flags.bool("quiet");
    if (flags.bool("all-tags")) {
      if (given.tag !== undefined || given.digest !== undefined)
        throw new ExitError(1, "tag can't be used with --all-tags/-a");
      await pullImage(client, image, { platform: flags.string("platform"), quiet, fd: 1, allTags: true });
      await printLine(`${reference.registry}/${reference.path}`);
      return 0;
    }
    if (!quiet && !/[:@][^/]*$/.test(image)) await printLine(`Using default tag: ${reference.tag}`);
    await pullImage(client, image, { platform: flags.string("platform"), quiet, fd: 1 });
    const { registry, path, tag, digest } = reference;
    await printLine(
      `${registry}/${path}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`,
    );
    return 0;
  },
};

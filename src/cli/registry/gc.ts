import { existsSync } from "node:fs";
import { join } from "node:path";
import { notFound } from "../../errors/index.ts";
import { collectGarbage, openTables } from "../../registry/server/index.ts";
import { humanSize } from "../../units/index.ts";
import { bool, type Command, string } from "../command/command.ts";
import { print } from "../output/print.ts";
import { durationMs, requiredFolder } from "./flags.ts";

/** `gantry registry gc`: collect a registry's garbage now, whether or not a server runs on it. */
export const gc: Command = {
  name: "registry gc",
  usage: "[OPTIONS] --storage DIR",
  description: "Remove blobs that no manifest names. A server may go on with the same storage meanwhile.",
  minArgs: 0,
  maxArgs: 0,
  flags: [
    string("storage", "Folder of all that the registry keeps", { type: "DIR" }),
    string("grace", "Time that what nothing names is kept", { fallback: "1h", type: "duration" }),
    bool("untagged", "Remove manifests, too, that no tag, index or subject leads to"),
  ],
  async run({ flags }) {
    const storage = requiredFolder(flags);
    const graceMs = durationMs(flags, "grace");
    if (!existsSync(join(storage, "registry.db")))
      throw notFound(`${storage} is not the storage of a registry`);
    using tables = await openTables(storage);
    const stop = new AbortController();
    process.once("SIGINT", () => stop.abort());
    const { manifests, blobs, bytes } = await collectGarbage(
      tables,
      { graceMs, untagged: flags.bool("untagged") },
      stop.signal,
    );
    await print(
      `Deleted manifests: ${manifests}\nDeleted blobs: ${blobs}\nTotal reclaimed space: ${humanSize(bytes)}\n`,
    );
    return stop.signal.aborted ? 130 : 0;
  },
};

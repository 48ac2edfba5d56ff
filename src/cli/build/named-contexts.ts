import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { EngineClient } from "../../client/index.ts";
import { isContextAddress } from "../../dockerfile/index.ts";
import { ExitError } from "../command/usage-error.ts";
import { contextRules, patternsIn } from "./context.ts";
import { sendContext } from "./send-context.ts";

/**
 * Send the folders of `--build-context NAME=FOLDER`, each without what its own .dockerignore names. Gives what the build is to
 * be told, as JSON; undefined for none. A check is told the names alone: it looks at no files. Throws ExitError for what is no
 * context.
 */
export async function sendNamedContexts(
  client: EngineClient,
  session: string,
  flags: readonly string[],
  isCheck: boolean,
): Promise<string | undefined> {
  const sources: Record<string, string> = {};
  for (const [at, flag] of flags.entries()) {
    const [, name = "", source = ""] = /^([^=]+)=(.+)$/s.exec(flag) ?? [];
    if (name === "") throw new ExitError(1, `invalid build context ${flag}: want NAME=SOURCE`);
    sources[name] =
      source.startsWith("docker-image://") || isContextAddress(source)
        ? source
        : await sendFolder(client, isCheck ? "" : `${session}-${at}`, flag, source);
  }
  return flags.length === 0 ? undefined : JSON.stringify(sources);
}

/** "" as the session sends nothing. */
async function sendFolder(
  client: EngineClient,
  session: string,
  flag: string,
  folder: string,
): Promise<string> {
  if (folder.startsWith("oci-layout://"))
    throw new ExitError(
      1,
      `the build context ${flag} cannot be used: load the layout, and name its image by docker-image://`,
    );
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new ExitError(1, `failed to get build context ${flag}: ${folder} is no folder`);
  const ignore = join(folder, ".dockerignore");
  const rules = contextRules(patternsIn(existsSync(ignore) ? ignore : undefined));
  if (session === "") return "sent:";
  const missing = await sendContext(client, session, resolve(folder), rules, []);
  await using _answer = await client.call("POST", "/build/context/files", { session }, missing);
  return `sent:${session}`;
}

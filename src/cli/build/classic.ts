import { ApiError, type EngineClient, jsonLines } from "../../client/index.ts";
import type { ProgressMessage } from "../../wire/index.ts";
import { registryConfigHeader } from "../account/accounts.ts";
import type { FlagValues } from "../command/flags.ts";
import { ExitError } from "../command/usage-error.ts";
import { print } from "../output/print.ts";
import type { SentContext } from "./context.ts";

/** What the Engine API's own build has no words for. */
const OF_GANTRY = [
  "allow",
  "attest",
  "build-context",
  "cache-to",
  "check",
  "no-cache-filter",
  "on-error",
  "output",
  "provenance",
  "sbom",
  "secret",
  "ssh",
];

/**
 * Build by a daemon that is not Gantry's: the whole context goes there, and what it says of its steps is shown as it
 * comes. Gives the image's id. Throws ExitError for flags that such a daemon cannot follow, and when the build fails.
 */
export async function buildClassic(
  client: EngineClient,
  flags: FlagValues,
  query: Readonly<Record<string, string | number | readonly string[] | undefined>>,
  context: SentContext,
): Promise<string> {
  for (const name of OF_GANTRY)
    if (flags.has(name))
      throw new ExitError(1, `--${name} needs a Gantry daemon, and ${client.host} is not one`);
  const isQuiet = flags.bool("quiet");
  const headers = await registryConfigHeader();
  const sources = flags.list("cache-from");
  const whole = {
    ...query,
    ...context.query,
    // The words of our own daemons go without meaning to others; these two would have another one.
    progress: undefined,
    context: undefined,
    cachefrom: sources.length === 0 ? undefined : JSON.stringify(sources),
    version: 1,
    rm: 1,
  };
  const body = await context.archive();
  await using call = await client.call("POST", "/build", whole, body, headers);
  let id = "";
  for await (const message of jsonLines<ProgressMessage>(call.response.body)) {
    if (message.error !== undefined) {
      const code = message.errorDetail?.code ?? 1;
      throw code > 1 ? new ExitError(code, message.error) : new ApiError(500, message.error);
    }
    const { ID } = Object(message.aux ?? {});
    if (typeof ID === "string") id = ID;
    if (message.stream !== undefined && !isQuiet) await print(message.stream);
  }
  return id;
}

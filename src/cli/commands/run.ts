import { existsSync, writeFileSync } from "node:fs";
import { ApiError, type EngineClient } from "../../client/index.ts";
import type { ByteChannel } from "../../platform/channel/index.ts";
import { parseReference } from "../../reference/index.ts";
import type { ContainerExplanation } from "../../wire/index.ts";
import type { Command, Invocation } from "../command/command.ts";
import type { FlagValues } from "../command/flags.ts";
import { ExitError } from "../command/usage-error.ts";
import { printError, printLine } from "../output/print.ts";
import { type CreateBody, createBody } from "../run/create-body.ts";
import { RUN_FLAGS } from "../run/flags.ts";
import { withImage } from "../run/image.ts";
import { runSession } from "../terminal/session.ts";
import { proxySignals } from "../terminal/signals.ts";
import { printExplanation } from "./explain.ts";

const FAILED = 125;

export const run: Command = {
  name: "run",
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  description: "Create and run a new container from an image",
  aliases: ["container run", "run"],
  flags: RUN_FLAGS,
  interspersed: false,
  minArgs: 1,
  failureCode: FAILED,
  async run(invocation) {
    const { flags, args, client } = invocation;
    if (flags.bool("rm") && flags.string("restart") !== "no")
      throw new Error("conflicting options: cannot specify both --restart and --rm");
    if (flags.bool("detach") && flags.has("attach"))
      throw new ExitError(1, "conflicting options: cannot specify both --attach and --detach");
    const [image = "", ...command] = args;
    const body = createBody(flags, image, command);
    if (body.Tty === true && body.AttachStdin === true && process.stdin.isTTY !== true)
      throw new ExitError(1, "the input device is not a TTY");
    if (flags.bool("dry-run")) return dryRun(invocation, body);
    if (flags.bool("json")) throw new ExitError(FAILED, "gantry: --json goes with --dry-run");
    const id = await createContainer(client, flags, body);
    if (flags.bool("detach")) {
      await start(client, id);
      await printLine(id);
      return 0;
    }
    return attached(invocation, id, body);
  },
};

/** Say what would be made, and make nothing: an image that is not here is not pulled either. */
async function dryRun({ flags, client }: Invocation, body: CreateBody): Promise<number> {
  const platform = flags.optional("platform");
  const query = { name: flags.optional("name"), ...(platform === undefined ? {} : { platform }) };
  const reply = await client.json<ContainerExplanation>("POST", "/containers/explain", query, body);
  await printExplanation(reply, flags.bool("json"));
  return 0;
}

/** POST /containers/create with what belongs to the client: pulling, --cidfile, warnings. Gives the id. */
export async function createContainer(
  client: EngineClient,
  flags: FlagValues,
  body: CreateBody,
): Promise<string> {
  const image = String(body.Image);
  if (!/^(sha256:)?[0-9a-f]{64}$/.test(image)) parseReference(image);
  const cidfile = flags.string("cidfile");
  if (cidfile !== "" && existsSync(cidfile)) {
    throw new Error(
      `container ID file found, make sure the other container isn't running or delete ${cidfile}`,
    );
  }
  const policy = flags.string("pull");
  if (!["always", "missing", "never"].includes(policy))
    throw new ExitError(
      FAILED,
      `gantry: invalid pull option: '${policy}': must be one of "always", "missing" or "never"`,
    );
  const platform = flags.string("platform");
  const query = {
    name: flags.optional("name"),
    platform: platform === "" ? undefined : platform,
  };
  const created = await withImage(client, image, { policy, platform, quiet: flags.bool("quiet") }, () =>
    client.json<{ Id: string; Warnings: string[] | null }>("POST", "/containers/create", query, body),
  );
  for (const warning of created.Warnings ?? []) printError(`WARNING: ${warning}`);
  if (cidfile !== "") writeFileSync(cidfile, created.Id);
  return created.Id;
}

async function attached({ flags, client }: Invocation, id: string, body: CreateBody): Promise<number> {
  const tty = body.Tty === true;
  const stdin = body.AttachStdin === true;
  const stdout = body.AttachStdout === true;
  const stderr = body.AttachStderr === true;
  const path = `/containers/${id}`;
  const wantsStreams = stdin || stdout || stderr;
  const attach = async (): Promise<ByteChannel | undefined> =>
    wantsStreams
      ? client.hijack(`${path}/attach`, {
          stream: 1,
          stdin: stdin ? 1 : undefined,
          stdout: stdout ? 1 : undefined,
          stderr: stderr ? 1 : undefined,
          detachKeys: flags.optional("detach-keys"),
        })
      : undefined;
  // Both before the start: a short program would be gone before a later question is asked.
  const [channel, ended] = await Promise.all([
    attach(),
    waitFor(client, id, flags.bool("rm") ? "removed" : "next-exit"),
  ]);
  const stopProxying =
    !tty && flags.bool("sig-proxy")
      ? proxySignals((signal) => client.json("POST", `${path}/kill`, { signal }))
      : () => {};
  try {
    await start(client, id);
    if (channel === undefined) {
      await printLine(id);
      return await ended.exitCode;
    }
    const outcome = await runSession(channel, {
      tty,
      stdin,
      detachKeys: flags.optional("detach-keys"),
      resize: (rows, columns) => client.json("POST", `${path}/resize`, { h: rows, w: columns }),
    });
    if (outcome === "detached") return 0;
    return await ended.exitCode;
  } catch (error) {
    channel?.close();
    throw error;
  } finally {
    stopProxying();
  }
}

/** Ask for the end of a container; resolves once the daemon has taken the question, with the promise of its answer. */
export async function waitFor(
  client: EngineClient,
  id: string,
  condition: string,
): Promise<{ exitCode: Promise<number> }> {
  const call = await client.call("POST", `/containers/${id}/wait`, { condition });
  let text = "";
  const answer = (async () => {
    await using _closed = call;
    for await (const bytes of call.response.body) text += new TextDecoder().decode(bytes);
    const { StatusCode, Error: failure }: { StatusCode: number; Error?: { Message: string } | null } =
      JSON.parse(text);
    if (failure?.Message !== undefined)
      throw new ExitError(FAILED, `Error waiting for container: ${failure.Message}`);
    return StatusCode;
  })();
  // Whoever does not come to ask for the answer is not interested in its failure either.
  answer.catch(() => undefined);
  return { exitCode: answer };
}

/** Start a container; a program that cannot be run is told by the exit code, as a shell does. */
export async function start(client: EngineClient, id: string): Promise<void> {
  try {
    await client.json("POST", `/containers/${id}/start`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw new ExitError(
      startExitCode(error.message),
      `gantry: Error response from daemon: ${error.message}\n\nRun 'gantry run --help' for more information`,
    );
  }
}

function startExitCode(message: string): number {
  if (/executable file not found|no such file or directory/.test(message)) return 127;
  if (/permission denied|is a directory|exec format error/.test(message)) return 126;
  return FAILED;
}

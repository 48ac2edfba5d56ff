import type { ContainerInspect } from "../../wire/index.ts";
import { bool, type Command, DETACH_KEYS_FLAG } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { runSession } from "../terminal/session.ts";
import { proxySignals } from "../terminal/signals.ts";
import { segment } from "./each.ts";
import { waitFor } from "./run.ts";

export const attach: Command = {
  name: "attach",
  usage: "[OPTIONS] CONTAINER",
  description: "Attach local standard input, output, and error streams to a running container",
  aliases: ["container attach", "attach"],
  flags: [
    DETACH_KEYS_FLAG,
    bool("no-stdin", "Do not attach STDIN"),
    bool("sig-proxy", "Pass received signals on to the process", { fallback: "true" }),
  ],
  minArgs: 1,
  maxArgs: 1,
  async run({ flags, args: [name = ""], client }) {
    const { Id, State, Config } = await client.json<ContainerInspect>(
      "GET",
      `/containers/${segment(name)}/json`,
    );
    if (!State.Running) throw new ExitError(1, "You cannot attach to a stopped container, start it first");
    if (State.Paused) throw new ExitError(1, "You cannot attach to a paused container, unpause it first");
    const path = `/containers/${Id}`;
    const stdin = !flags.bool("no-stdin") && Config.OpenStdin;
    if (stdin && Config.Tty && process.stdin.isTTY !== true)
      throw new ExitError(1, "the input device is not a TTY");
    const ended = await waitFor(client, Id, "not-running");
    const channel = await client.hijack(`${path}/attach`, {
      stream: 1,
      stdin: stdin ? 1 : undefined,
      stdout: 1,
      stderr: 1,
      detachKeys: flags.optional("detach-keys"),
    });
    const stopProxying =
      flags.bool("sig-proxy") && !Config.Tty
        ? proxySignals((signal) => client.json("POST", `${path}/kill`, { signal }))
        : () => {};
    const resize = (rows: number, columns: number) =>
      client.json("POST", `${path}/resize`, { h: rows, w: columns });
    try {
      // A program draws itself again when its terminal changes; one that keeps its size would leave the screen empty.
      if (Config.Tty && process.stdout.isTTY)
        await resize((process.stdout.rows ?? 0) + 1, (process.stdout.columns ?? 0) + 1);
      const outcome = await runSession(channel, {
        tty: Config.Tty,
        stdin,
        detachKeys: flags.optional("detach-keys"),
        resize,
      });
      return outcome === "detached" ? 0 : await ended.exitCode;
    } finally {
      stopProxying();
    }
  },
};

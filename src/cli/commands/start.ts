import type { ContainerInspect } from "../../wire/index.ts";
import { bool, type Command, DETACH_KEYS_FLAG, type Invocation } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { runSession } from "../terminal/session.ts";
import { proxySignals } from "../terminal/signals.ts";
import { forEach, segment } from "./each.ts";
import { waitFor } from "./run.ts";

export const start: Command = {
  name: "start",
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  description: "Start one or more stopped containers",
  aliases: ["container start", "start"],
  flags: [
    bool("attach", "Attach STDOUT/STDERR and forward signals", { short: "a" }),
    DETACH_KEYS_FLAG,
    bool("interactive", "Attach the container's STDIN", { short: "i" }),
  ],
  minArgs: 1,
  async run(invocation) {
    const { flags, args, client } = invocation;
    if (!flags.bool("attach") && !flags.bool("interactive"))
      return forEach(args, (name) => client.json("POST", `/containers/${segment(name)}/start`), {
        summary: "Error: failed to start containers",
      });
    if (args.length > 1) throw new ExitError(1, "you cannot start and attach multiple containers at once");
    return startAttached(invocation, args[0] ?? "");
  },
};

async function startAttached({ flags, client }: Invocation, name: string): Promise<number> {
  const { Id, Config, HostConfig } = await client.json<ContainerInspect>(
    "GET",
    `/containers/${segment(name)}/json`,
  );
  const path = `/containers/${Id}`;
  const stdin = flags.bool("interactive") && Config.OpenStdin;
  const [channel, ended] = await Promise.all([
    client.hijack(`${path}/attach`, {
      stream: 1,
      stdin: stdin ? 1 : undefined,
      stdout: 1,
      stderr: 1,
      detachKeys: flags.optional("detach-keys"),
    }),
    waitFor(client, Id, HostConfig.AutoRemove ? "removed" : "next-exit"),
  ]);
  const stopProxying = Config.Tty
    ? () => {}
    : proxySignals((signal) => client.json("POST", `${path}/kill`, { signal }));
  try {
    await client.json("POST", `${path}/start`);
    const outcome = await runSession(channel, {
      tty: Config.Tty,
      stdin,
      detachKeys: flags.optional("detach-keys"),
      resize: (rows, columns) => client.json("POST", `${path}/resize`, { h: rows, w: columns }),
    });
    return outcome === "detached" ? 0 : await ended.exitCode;
  } catch (error) {
    channel.close();
    throw error;
  } finally {
    stopProxying();
  }
}

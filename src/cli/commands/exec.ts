import type { ExecInspect } from "../../wire/index.ts";
import { bool, type Command, DETACH_KEYS_FLAG, list, string } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { environmentOf } from "../run/create-body.ts";
import { runSession } from "../terminal/session.ts";
import { segment } from "./each.ts";

export const exec: Command = {
  name: "exec",
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  description: "Execute a command in a running container",
  aliases: ["container exec", "exec"],
  flags: [
    bool("detach", "Run the command in the background", { short: "d" }),
    DETACH_KEYS_FLAG,
    list("env", "Set environment variables", { short: "e" }),
    list("env-file", "Read environment variables from a file"),
    bool("interactive", "Keep STDIN open even if not attached", { short: "i" }),
    bool("privileged", "Give the command all privileges"),
    bool("tty", "Allocate a pseudo-TTY", { short: "t" }),
    string("user", "User name or UID (format: <name|uid>[:<group|gid>])", { short: "u" }),
    string("workdir", "Working directory of the command", { short: "w" }),
  ],
  interspersed: false,
  minArgs: 2,
  async run({ flags, args, client }) {
    const [name = "", ...Cmd] = args;
    const detach = flags.bool("detach");
    const Tty = flags.bool("tty");
    const stdin = flags.bool("interactive") && !detach;
    if (Tty && stdin && process.stdin.isTTY !== true) throw new ExitError(1, "the input device is not a TTY");
    const ConsoleSize =
      Tty && process.stdout.isTTY ? [process.stdout.rows ?? 0, process.stdout.columns ?? 0] : undefined;
    const { Id } = await client.json<{ Id: string }>(
      "POST",
      `/containers/${segment(name)}/exec`,
      {},
      {
        User: flags.string("user"),
        Privileged: flags.bool("privileged"),
        Tty,
        ConsoleSize,
        AttachStdin: stdin,
        AttachStdout: !detach,
        AttachStderr: !detach,
        DetachKeys: flags.string("detach-keys"),
        Env: environmentOf(flags),
        WorkingDir: flags.string("workdir"),
        Cmd,
      },
    );
    if (detach) {
      await client.json("POST", `/exec/${Id}/start`, {}, { Detach: true, Tty });
      return 0;
    }
    const channel = await client.hijack(`/exec/${Id}/start`, {}, { Detach: false, Tty, ConsoleSize });
    const outcome = await runSession(channel, {
      tty: Tty,
      stdin,
      detachKeys: flags.optional("detach-keys"),
      resize: (rows, columns) => client.json("POST", `/exec/${Id}/resize`, { h: rows, w: columns }),
    });
    if (outcome === "detached") return 0;
    const { ExitCode } = await client.json<ExecInspect>("GET", `/exec/${Id}/json`);
    return ExitCode ?? 0;
  },
};

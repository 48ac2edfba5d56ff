import { once } from "node:events";
import { createInterface } from "node:readline";
import type { AuthReply } from "../../wire/index.ts";
import { accountKey, dropAccount, findAccount, keepAccount } from "../account/accounts.ts";
import { configPath } from "../account/config-file.ts";
import { bool, type Command, string } from "../command/command.ts";
import { ExitError } from "../command/usage-error.ts";
import { printError, printLine } from "../output/print.ts";

export const login: Command = {
  name: "login",
  usage: "[OPTIONS] [SERVER]",
  description: "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
  flags: [
    string("password", "Password or Personal Access Token (PAT)", { short: "p" }),
    bool("password-stdin", "Take the Password or Personal Access Token (PAT) from stdin"),
    string("username", "Username", { short: "u" }),
  ],
  minArgs: 0,
  maxArgs: 1,
  async run({ flags, args: [server = ""], client }) {
    const fromStdin = flags.bool("password-stdin");
    if (fromStdin && flags.has("password"))
      throw new ExitError(1, "--password and --password-stdin are mutually exclusive");
    if (fromStdin && flags.string("username") === "")
      throw new ExitError(1, "Must provide --username with --password-stdin");
    if (flags.has("password"))
      printError("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    const kept = flags.has("username") ? {} : await findAccount(server);
    const username = flags.string("username") || kept.username || (await ask("Username: ", false));
    const given = fromStdin ? (await readStdin()).replace(/\r?\n$/, "") : flags.string("password");
    const password = given || kept.password || (await ask("Password: ", true));
    const serveraddress = accountKey(server);
    const reply = await client.json<AuthReply>("POST", "/auth", {}, { username, password, serveraddress });
    const secret = reply.IdentityToken === "" ? { password } : { identitytoken: reply.IdentityToken };
    if (await keepAccount(server, { username, ...secret })) {
      printError(
        `\nWARNING! Your credentials are stored unencrypted in '${configPath()}'.\nConfigure a credential helper ("credsStore" or "credHelpers" in that file) to keep them elsewhere.\n`,
      );
    }
    await printLine(reply.Status);
    return 0;
  },
};

export const logout: Command = {
  name: "logout",
  usage: "[SERVER]",
  description: "Log out from a registry.\nIf no server is specified, the default is Docker Hub.",
  flags: [],
  minArgs: 0,
  maxArgs: 1,
  async run({ args: [server = ""] }) {
    const key = accountKey(server);
    if (await dropAccount(server)) await printLine(`Removing login credentials for ${key}`);
    else await printLine(`Not logged in to ${key}`);
    return 0;
  },
};

async function readStdin(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin) text += String(chunk);
  return text;
}

async function ask(prompt: string, secret: boolean): Promise<string> {
  if (process.stdin.isTTY !== true)
    throw new ExitError(1, "Error: Cannot perform an interactive login from a non TTY device");
  const lines = createInterface({
    input: process.stdin,
    output: secret ? undefined : process.stdout,
    terminal: true,
  });
  process.stdout.write(prompt);
  try {
    const [answer] = await once(lines, "line");
    if (secret) process.stdout.write("\n");
    return String(answer);
  } finally {
    lines.close();
  }
}

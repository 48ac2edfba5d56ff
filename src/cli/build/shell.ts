import type { EngineClient } from "../../client/index.ts";
import { ExitError } from "../command/usage-error.ts";
import { printError } from "../output/print.ts";
import { runSession } from "../terminal/session.ts";

/** Throws ExitError for a word that means nothing, and for a shell without a terminal to be used on. */
export function requireTerminal(onError: string): void {
  if (onError === "") return;
  if (onError !== "shell") throw new ExitError(125, `invalid --on-error ${onError}: use shell`);
  if (process.stdin.isTTY !== true || process.stdout.isTTY !== true)
    throw new ExitError(1, "--on-error shell needs a terminal: stdin or stdout of this command is none");
}

/** Connect the terminal with the shell that a build offers, until it is left. */
export async function enterShell(client: EngineClient, id: string): Promise<void> {
  printError("\nThe step failed. This is a shell in the state before it; the build ends when you leave it.");
  const [w, h] = process.stdout.getWindowSize();
  const channel = await client.hijack("/build/shell", { id, h, w });
  await runSession(channel, {
    tty: true,
    stdin: true,
    detachKeys: undefined,
    resize: (rows, columns) => client.json("POST", "/build/shell/resize", { id, h: rows, w: columns }),
  });
}

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface CommandOptions {
  /** After this the command's process group is killed and the command has failed. */
  readonly limitMs: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Lines of output that need not be shown. */
  readonly quietLines?: RegExp;
}

/** Run a command, its output on ours. */
export async function runCommand(
  [program = "", ...args]: readonly string[],
  { limitMs, env = {}, quietLines }: CommandOptions,
): Promise<{ exitCode: number; lines: string[] }> {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    detached: true,
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      if (quietLines?.test(line) !== true) console.log(line);
    });
  }
  const limit = setTimeout(() => {
    console.log(`${program} was killed: it ran for more than ${limitMs / 1000} s`);
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, limitMs);
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once("error", (error) => {
    console.log(`${program}: ${error.message}`);
    resolve(127);
  });
  // "exit", not "close": a stray grandchild that holds the pipe must not hang the test; it is found afterwards.
  child.once("exit", (code) => setImmediate(() => resolve(code ?? 1)));
  const exitCode = await promise;
  clearTimeout(limit);
  return { exitCode, lines };
}

import { spawn } from "node:child_process";

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  /** 128 + the number of a signal that ended it, as a shell says it. */
  readonly exitCode: number;
}

export interface ProgramOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** After so long the program is killed and the promise rejected; 30 s unless told. */
  readonly limitMs?: number;
}

/** Run a program to its end. Rejects when it cannot be started or takes longer than its limit. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { input, env, limitMs = 15_000 }: ProgramOptions = {},
): Promise<Finished> {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: "pipe" });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  // A program may end without having read all of its input.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("error", reject);
  child.once("close", (code, signal) => resolve(code ?? 128 + (signal === "SIGKILL" ? 9 : 15)));
  const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString("utf8");
  const limit = setTimeout(() => {
    child.kill("SIGKILL");
    reject(new Error(`${program} ${args.join(" ")} took over ${limitMs} ms: ${text(stdout)}${text(stderr)}`));
  }, limitMs);
  try {
    const exitCode = await promise;
    return { stdout: text(stdout), stderr: text(stderr), exitCode };
  } finally {
    clearTimeout(limit);
  }
}

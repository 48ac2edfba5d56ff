import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { errnoOf } from "../errors/index.ts";

export interface ProgramResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run a program of the packet filter with this on its standard input. Undefined where there is no such program. */
export async function runFilterProgram(
  program: string,
  args: readonly string[],
  input = "",
): Promise<ProgramResult | undefined> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) =>
    child.once("close", resolve).once("error", reject),
  );
  child.stdin.on("error", () => child.stdin.destroy());
  child.stdin.end(input);
  try {
    const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { exitCode, stdout, stderr: stderr.trim() };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

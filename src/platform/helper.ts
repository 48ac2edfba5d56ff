import { spawn } from "node:child_process";
import { internal } from "../errors/index.ts";

export interface HelperResult {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * Run the native helper to its end: `input` on its stdin, what it wrote on its stdout in memory. Killed on abort, which
 * rejects with the signal's reason. Rejects with internal when it cannot be started; a code other than 0 is the caller's to read.
 */
export async function runHelper(
  shim: string,
  args: readonly string[],
  input: Uint8Array | string,
  signal: AbortSignal,
): Promise<HelperResult> {
  signal.throwIfAborted();
  const child = spawn(shim, args, { stdio: "pipe" });
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
  });
  // A helper that ends early says why on stderr.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", (cause) => reject(internal(`cannot run ${shim}`, { cause })));
      child.once("close", resolve);
    });
    signal.throwIfAborted();
    return { code, stdout: Buffer.concat(stdout), stderr };
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

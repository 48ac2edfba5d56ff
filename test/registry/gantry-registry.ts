import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const SOURCES = join(import.meta.dirname, "../..");

/** Gantry from the sources, or the compiled file that GANTRY_UNDER_TEST names. */
export const GANTRY: readonly string[] =
  process.env.GANTRY_UNDER_TEST === undefined
    ? [process.execPath, join(SOURCES, "src/cli/main.ts")]
    : [process.env.GANTRY_UNDER_TEST];

/** `gantry registry serve` as a process of its own, on a free port of loopback. */
export class GantryRegistry implements AsyncDisposable {
  /** Such as "http://127.0.0.1:41234". */
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#process = child;
    this.url = url;
  }

  /** `prefix` is a program that runs it somewhere else (nsenter). Rejects with its words when it does not start. */
  static async start(
    storage: string,
    flags: readonly string[] = [],
    prefix: readonly string[] = [],
  ): Promise<GantryRegistry> {
    const words = ["registry", "serve", "--storage", storage, "--addr", "127.0.0.1:0", ...flags];
    const [program = "", ...args] = [...prefix, ...GANTRY, ...words];
    const child = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      env: { ...process.env, GANTRY_READY_FD: "3" },
    });
    let log = "";
    child.stderr?.on("data", (chunk) => {
      log += String(chunk);
    });
    const ready = child.stdio[3];
    if (ready === null || ready === undefined) throw new Error("the registry has no pipe for its readiness");
    const [first] = await Promise.race([once(ready, "data"), once(child, "close").then(() => [undefined])]);
    ready.destroy();
    if (first === undefined) throw new Error(`the registry ended: ${log}`);
    return new GantryRegistry(child, String(first).trim());
  }

  /** "127.0.0.1:41234", as it stands in names of images. */
  get host(): string {
    return new URL(this.url).host;
  }

  /** Gives the exit code; null when the signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = once(child, "exit");
    child.kill(signal);
    const [code] = await ended;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }
}

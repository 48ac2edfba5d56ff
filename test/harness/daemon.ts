import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { watch } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runDocker, untilLog, untilOutput } from "./docker-cli.ts";
import type { TestMachine } from "./machine.ts";
import { type Finished, type ProgramOptions, runProgram } from "./program.ts";
import { askPort } from "./sockets.ts";

const SOURCES = join(import.meta.dirname, "../..");
let count = 0;

/** Gantry from the sources, or the compiled file that GANTRY_UNDER_TEST names. */
export const GANTRY: readonly string[] =
  process.env.GANTRY_UNDER_TEST === undefined
    ? [process.execPath, join(SOURCES, "src/cli/main.ts")]
    : [process.env.GANTRY_UNDER_TEST];

/**
 * Shell words that wait until the terminal has this size. Docker's clients tell it after the start; only newer ones give
 * it with the request as well.
 */
export const untilSize = (rows: number, columns: number): string =>
  `until [ "$(stty size)" = "${rows} ${columns}" ]; do usleep 10000; done`;

/** A daemon of its own: own folders, bridge, packet table, control groups. */
export class TestDaemon implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "gantry-engine-"));
  /** Such as "unix:///tmp/…/g.sock". */
  readonly host = `unix://${this.folder}/g.sock`;
  /** Of its packet table; its bridge is NAME0. */
  readonly name = `gt${process.pid.toString(36)}${(count++).toString(36)}`;
  #process: ChildProcess | undefined;

  constructor(
    private readonly options: readonly string[],
    /** The command that runs another one where the daemon is to run. */
    private readonly enter: readonly string[],
  ) {}

  /** Options of `gantry daemon` that make up this daemon's place. */
  get #place(): string[] {
    return [
      "--data-root",
      join(this.folder, "data"),
      "--exec-root",
      join(this.folder, "exec"),
      "--name",
      this.name,
      "--config-root",
      join(this.folder, "config"),
    ];
  }

  get logFile(): string {
    return join(this.folder, "daemon.log");
  }

  /** The daemon's process id. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(options = this.options): Promise<void> {
    const [program = "", ...args] = [...this.enter, ...GANTRY];
    const log = openSync(this.logFile, "a");
    const child = spawn(program, [...args, "daemon", "-H", this.host, ...this.#place, ...options], {
      stdio: ["ignore", log, log, "pipe"],
      env: { ...process.env, GANTRY_READY_FD: "3" },
    });
    closeSync(log);
    this.#process = child;
    const ready = child.stdio[3];
    if (ready === null || ready === undefined) throw new Error("the daemon has no pipe for its readiness");
    const [first] = await Promise.race([once(ready, "data"), once(child, "exit").then(() => [undefined])]);
    ready.destroy();
    if (first === undefined) throw new Error(`the daemon ended: ${readFileSync(this.logFile, "utf8")}`);
  }

  /** The docker CLI, against this daemon. The first argument may be its options. */
  docker(...args: (string | ProgramOptions)[]): Promise<Finished> {
    return runDocker(this.host, args);
  }

  /** Gantry's own CLI, against this daemon. */
  gantry(...args: (string | ProgramOptions)[]): Promise<Finished> {
    const [first, ...rest] = args;
    const options = typeof first === "object" ? first : {};
    const words = (typeof first === "object" ? rest : args).filter((word) => typeof word === "string");
    const [program = "", ...own] = GANTRY;
    return runProgram(program, [...own, ...words], {
      ...options,
      env: { ...options.env, GANTRY_HOST: this.host },
    });
  }

  /** A client on a terminal of that size; both of its outputs arrive as one, with the terminal's line ends. */
  inTerminal(
    {
      rows,
      columns,
      input,
      client = ["docker"],
    }: {
      rows: number;
      columns: number;
      input?: string;
      client?: readonly string[];
    },
    ...args: string[]
  ): Promise<Finished> {
    const quoted = [...client, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const command = `stty rows ${rows} cols ${columns}; exec ${quoted}`;
    return runProgram("script", ["-qefc", command, "/dev/null"], {
      ...(input === undefined ? {} : { input }),
      env: { DOCKER_HOST: this.host, GANTRY_HOST: this.host, SHELL: "/bin/sh", TERM: "xterm" },
    });
  }

  async kill9(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** After kill9 or stop; `options` instead of those it had. */
  restart(options?: readonly string[]): Promise<void> {
    return this.start(options);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  gantryDaemonOnSameRoot(): Promise<Finished> {
    const [program = "", ...args] = GANTRY;
    return runProgram(program, [...args, "daemon", "-H", `${this.host}2`, ...this.#place]);
  }

  /** One request to the Engine API, body and all. */
  async api(method: string, path: string, body?: unknown): Promise<{ status: number; body: string }> {
    const outgoing = request({
      socketPath: this.host.slice("unix://".length),
      method,
      path,
      headers: body === undefined ? {} : { "content-type": "application/json" },
    });
    outgoing.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
    const [response] = await once(outgoing, "response");
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return { status: response.statusCode, body: Buffer.concat(chunks).toString("utf8") };
  }

  /** Until so many events of one kind have come for a container, counted from its creation. */
  async untilEvent({ container, event }: { container: string; event: string }, times: number): Promise<void> {
    const filters = ["--filter", `container=${container}`, "--filter", `event=${event}`];
    await untilOutput(
      this,
      ["events", "--since", "1h", ...filters],
      (text) => text.split("\n").length > times,
    );
  }

  untilLog(container: string, words: string): Promise<void> {
    return untilLog(this, container, words);
  }

  /** Until the daemon has written these words to its log, from now on. */
  async untilLogged(words: string): Promise<void> {
    const before = statSync(this.logFile).size;
    const watcher = watch(this.logFile);
    try {
      for await (const _change of watcher)
        if (readFileSync(this.logFile, "utf8").slice(before).includes(words)) return;
    } finally {
      await watcher.return?.();
    }
  }

  async untilNoContainer(name: string): Promise<void> {
    await this.api("POST", `/containers/${name}/wait?condition=removed`);
  }

  /** Until a process that is not our child has ended: the kernel tells that to nobody without a pidfd, so this looks. */
  async untilProcessEnds(pid: number): Promise<void> {
    while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  askPort = askPort;

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process?.exitCode !== null || this.#process.signalCode !== null) await this.start();
    const ids = (await this.docker("ps", "-aq")).stdout.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await this.docker("rm", "-f", "-v", ...ids);
    await this.stop();
    const [program = "", ...args] = [...this.enter, ...GANTRY];
    const torn = await runProgram(program, [...args, "daemon", "--teardown", ...this.#place]);
    if (torn.exitCode !== 0) throw new Error(`teardown failed: ${torn.stderr}`);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** `options` are further ones of `gantry daemon`, which runs in a machine of the test's own when one is given. */
export async function startDaemon(
  options: readonly string[] = [],
  machine?: TestMachine,
): Promise<TestDaemon> {
  const daemon = new TestDaemon(options, machine?.enter ?? []);
  try {
    await daemon.start();
  } catch (error) {
    rmSync(daemon.folder, { recursive: true, force: true });
    throw error;
  }
  return daemon;
}

import { spawn } from "node:child_process";
import { messageOf } from "../src/errors/index.ts";
import { type Finished, runProgram } from "../test/harness/index.ts";
import { type Peer, RowError, succeed } from "./peer.ts";

const LIMIT_MS = 300_000;

/** Run one command of an engine to its end; its output is thrown away. Gives milliseconds from spawn to exit. */
export async function time(peer: Peer, ...args: string[]): Promise<number> {
  return timeOf(peer, args, "ignore");
}

/** Several commands at once: until the last of them has ended. */
export async function timeAll(peer: Peer, commands: readonly (readonly string[])[]): Promise<number> {
  const started = performance.now();
  await Promise.all(commands.map((args) => timeOf(peer, args, "ignore")));
  return performance.now() - started;
}

/** A command outside of the measured time, with its output. */
export async function prepare(peer: Peer, ...args: string[]): Promise<Finished> {
  const [program = "", ...first] = peer.command;
  const limits = { env: peer.env, limitMs: LIMIT_MS };
  const finished = await runProgram(program, [...first, ...args], limits).catch((cause) => {
    throw new RowError(`${peer.name} ${args.join(" ")}: ${messageOf(cause)}`, { cause });
  });
  succeed(peer, args, finished);
  return finished;
}

/** A program of the machine where the engine's network is; gives its output. */
export async function runInside(peer: Peer, ...command: string[]): Promise<string> {
  const [program = "", ...args] = [...peer.inside, ...command];
  const finished = await runProgram(program, args, { limitMs: LIMIT_MS });
  succeed(peer, command, finished);
  return finished.stdout;
}

/** Milliseconds from the spawn of a command to the first byte that it writes to its standard output. */
export async function timeToOutput(peer: Peer, ...args: string[]): Promise<number> {
  const [program = "", ...first] = peer.command;
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const started = performance.now();
  const child = spawn(program, [...first, ...args], {
    env: { ...process.env, ...peer.env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LIMIT_MS,
  });
  let ms: number | undefined;
  let complaint = "";
  child.stdout.on("data", () => {
    ms ??= performance.now() - started;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString("utf8");
  });
  child.once("error", reject);
  child.once("close", (code) => {
    if (code === 0 && ms !== undefined) resolve(ms);
    else reject(new RowError(`${peer.name} ${args.join(" ")}: exit code ${code}: ${complaint}`));
  });
  return promise;
}

async function timeOf(
  peer: Peer,
  args: readonly string[],
  file: number | "ignore",
  direction: "in" | "out" = "in",
): Promise<number> {
  const [program = "", ...first] = peer.command;
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const started = performance.now();
  const child = spawn(program, [...first, ...args], {
    env: { ...process.env, ...peer.env },
    stdio: [direction === "in" ? file : "ignore", direction === "out" ? file : "ignore", "pipe"],
    timeout: LIMIT_MS,
  });
  let complaint = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaint += chunk.toString("utf8");
  });
  child.once("error", reject);
  child.once("exit", (code) => {
    const ms = performance.now() - started;
    if (code === 0) resolve(ms);
    else reject(new RowError(`${peer.name} ${args.join(" ")}: exit code ${code}: ${complaint}`));
  });
  return promise;
}

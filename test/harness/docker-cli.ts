import { test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { type Finished, type ProgramOptions, runProgram } from "./program.ts";

/** What Gantry's and Docker's daemon have in common for a test: the docker CLI talks to both. */
export interface Engine {
  /** Such as "unix:///tmp/…/g.sock". */
  readonly host: string;
  docker(...args: (string | ProgramOptions)[]): Promise<Finished>;
}

/** The docker CLI, against the engine at this address. The first argument may be its options. */
export function runDocker(host: string, args: readonly (string | ProgramOptions)[]): Promise<Finished> {
  const [first] = args;
  const options = typeof first === "object" ? first : {};
  const words = args.filter((word) => typeof word === "string");
  return runProgram("docker", words, { ...options, env: { ...options.env, DOCKER_HOST: host } });
}

/** Standard output of a docker command that has to succeed. */
export async function succeed(engine: Engine, ...args: (string | ProgramOptions)[]): Promise<string> {
  const { stdout, stderr, exitCode } = await engine.docker({ limitMs: 60_000 }, ...args);
  if (exitCode !== 0) {
    throw new Error(`docker ${args.join(" ")} at ${engine.host} exits with ${exitCode}: ${stderr}${stdout}`);
  }
  return stdout;
}

/** Until a docker command that goes on has printed enough. Rejects when it ends before. */
export async function untilOutput(
  { host }: Pick<Engine, "host">,
  args: readonly string[],
  enough: (text: string) => boolean,
): Promise<void> {
  const child = spawn("docker", args, {
    env: { ...process.env, DOCKER_HOST: host },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const chunk of child.stdout) {
    text += String(chunk);
    if (enough(text)) break;
  }
  child.kill("SIGKILL");
  if (!enough(text)) throw new Error(`docker ${args.join(" ")} ended with: ${text}`);
}

/** Until a container has written these words. */
export function untilLog(engine: Pick<Engine, "host">, container: string, words: string): Promise<void> {
  return untilOutput(engine, ["logs", "-f", container], (text) => text.includes(words));
}

let version: string | undefined;

/** Of the docker CLI on this machine, such as "20.10.24" (Debian's) or "28.2.2": flags and texts are its own. */
export function dockerVersion(): string {
  version ??= /version ([\d.]+)/.exec(execFileSync("docker", ["--version"], { encoding: "utf8" }))?.[1];
  if (version === undefined) throw new Error("docker --version tells none");
  return version;
}

/** Whether it is of this major version or a newer one. */
export function dockerIsSince(major: number): boolean {
  return Number.parseInt(dockerVersion(), 10) >= major;
}

/** `test` for what a docker CLI has since a major version: with an older one it is skipped, and its name says why. */
export function testSinceDocker(
  major: number,
  what: string,
): (name: string, check: () => Promise<void>, limitMs?: number) => void {
  if (dockerIsSince(major)) return test;
  return (name, check) => test.skip(`${name}: docker ${dockerVersion()} has no ${what}`, check);
}

/** What the docker CLI itself makes of the same answers and words, where its versions differ. */
const OF_CLIENT = {
  /** The exit code of `run` when the program is a folder: older ones do not know the words "is a directory". */
  exitCodeOfFolder: [
    { since: 28, is: 126 },
    { since: 0, is: 125 },
  ],
  /** What a sysctl is not, by the client's own list. */
  allowed: [
    { since: 23, is: "allowed" },
    { since: 0, is: "whitelisted" },
  ],
  /** Older ones refuse --link by themselves. */
  linksOfAnother: [
    {
      since: 23,
      is: "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    },
    { since: 0, is: "links are only supported for user-defined networks" },
  ],
  linksOfHost: [
    {
      since: 23,
      is: "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    },
    { since: 0, is: "links are only supported for user-defined networks" },
  ],
} as const;

export function ofDockerClient<Key extends keyof typeof OF_CLIENT>(
  key: Key,
): (typeof OF_CLIENT)[Key][number]["is"] {
  const found = OF_CLIENT[key].find(({ since }) => dockerIsSince(since));
  if (found === undefined) throw new Error(`docker ${dockerVersion()} is of no known version`);
  return found.is;
}

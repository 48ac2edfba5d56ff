import type { Finished, ProgramOptions } from "../harness/index.ts";

/** What Gantry's and Docker's daemon have in common for a comparison: the docker CLI talks to both. */
export interface Engine {
  readonly host: string;
  docker(...args: (string | ProgramOptions)[]): Promise<Finished>;
}

/** Standard output of a docker command that has to succeed. */
export async function succeed(engine: Engine, ...args: (string | ProgramOptions)[]): Promise<string> {
  const { stdout, stderr, exitCode } = await engine.docker({ limitMs: 60_000 }, ...args);
  if (exitCode !== 0) {
    throw new Error(`docker ${args.join(" ")} at ${engine.host} exits with ${exitCode}: ${stderr}${stdout}`);
  }
  return stdout;
}

/** The whole id of an image by its name. */
export async function imageId(engine: Engine, name: string): Promise<string> {
  return (await succeed(engine, "images", "--no-trunc", "-q", name)).trim();
}

/** Carry an image over by save and load. */
export async function copyImage(from: Engine, to: Engine, name: string, archive: string): Promise<void> {
  await succeed(from, "save", "-o", archive, name);
  await succeed(to, "load", "-i", archive);
}

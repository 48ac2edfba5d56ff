import { type Engine, succeed } from "../harness/index.ts";

/** The whole id of an image by its name. */
export async function imageId(engine: Engine, name: string): Promise<string> {
  return (await succeed(engine, "images", "--no-trunc", "-q", name)).trim();
}

/** Carry an image over by save and load. */
export async function copyImage(from: Engine, to: Engine, name: string, archive: string): Promise<void> {
  await succeed(from, "save", "-o", archive, name);
  await succeed(to, "load", "-i", archive);
}

import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { busybox } from "./busybox.ts";
import { helloWorld } from "./hello-world.ts";
import { oneLayerArchive } from "./one-layer.ts";

export interface BuiltinSources {
  /** The program of native/hello. */
  readonly hello: string;
  /** A static busybox that runs on this machine, such as Debian's busybox-static. */
  readonly busybox: string;
  /** RFC 3339: the images' date, which is part of their ids. */
  readonly created: string;
}

/** Names of the images that ship with the engine; the archive of each is FOLDER/NAME.tar. */
export const BUILTIN_NAMES = ["busybox", "hello-world"] as const;

/** Build step: write the archives of the built-in images into a folder. The same sources give the same bytes. */
export async function writeBuiltinImages(folder: string, sources: BuiltinSources): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { stdout } = await promisify(execFile)(sources.busybox, ["--list"]);
  const applets = stdout.split("\n").filter((line) => line !== "");
  const recipes = [
    busybox(await readFile(sources.busybox), applets, sources.created),
    helloWorld(await readFile(sources.hello), sources.created),
  ];
  for (const recipe of recipes) {
    await pipeline(await oneLayerArchive(recipe), createWriteStream(join(folder, `${recipe.name}.tar`)));
  }
}

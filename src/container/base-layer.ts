import { closeSync, lstatSync, mkdirSync, openSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "../platform/index.ts";

const FOLDERS = ["dev", "etc", "proc", "sys"];
/** The three are where a container's own are mounted; the first is by what programs find out that they are in a container. */
const EMPTY_FILES = [".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf"];

/**
 * Make `folder` the layer below every image: what a container finds where its image has nothing. Being one layer for
 * all, it costs a container nothing, and what is in it never counts as a change of the container's. Docker's init layer
 * has the same names, but one is made for each container.
 */
export async function prepareBaseLayer(folder: string): Promise<void> {
  const last = join(folder, "etc/mtab");
  if (lstatSync(last, { throwIfNoEntry: false }) !== undefined) return;
  await removeTree(folder);
  for (const name of FOLDERS) mkdirSync(join(folder, name), { recursive: true, mode: 0o755 });
  for (const name of EMPTY_FILES) closeSync(openSync(join(folder, name), "wx", 0o755));
  symlinkSync("/proc/mounts", last);
}

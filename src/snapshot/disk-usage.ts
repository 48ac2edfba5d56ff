import { lstat, readdir } from "node:fs/promises";
import { errnoOf } from "../errors/index.ts";

const SLASH = Buffer.from("/");

/**
 * Bytes of the files below a folder, hard links counted once. Names are taken as bytes, since a container may use any.
 * What vanishes while it is looked at counts nothing.
 */
export async function folderBytes(folder: string): Promise<number> {
  const seen = new Set<bigint>();
  const pending = [Buffer.from(folder)];
  let sum = 0n;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    for (const name of await unlessGone(readdir(path, { encoding: "buffer" }), [])) {
      const child = Buffer.concat([path, SLASH, name]);
      const status = await unlessGone(lstat(child, { bigint: true }), undefined);
      if (status === undefined) continue;
      if (status.isDirectory()) pending.push(child);
      if (status.nlink > 1n && !status.isDirectory()) {
        if (seen.has(status.ino)) continue;
        seen.add(status.ino);
      }
      if (status.isFile() || status.isSymbolicLink()) sum += status.size;
    }
  }
  return Number(sum);
}

async function unlessGone<T, U>(work: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return otherwise;
    throw error;
  }
}

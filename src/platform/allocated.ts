import { lstat, readdir } from "node:fs/promises";
import { errnoOf } from "../errors/index.ts";

const SLASH = Buffer.from("/");

/**
 * Bytes that a folder and all below it take on its file system: allocated blocks, folders too, hard links once, other
 * file systems left out. What `du -x` says (du(1)). What vanishes while it is looked at counts nothing.
 */
export async function allocatedBytes(folder: string): Promise<number> {
  const top = await unlessGone(lstat(folder, { bigint: true }), undefined);
  if (top === undefined) return 0;
  const seen = new Set<bigint>();
  const pending = [Buffer.from(folder)];
  let blocks = top.blocks;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const names = await unlessGone(readdir(path, { encoding: "buffer" }), []);
    const children = names.map((name) => Buffer.concat([path ?? SLASH, SLASH, name]));
    const all = await Promise.all(
      children.map((child) => unlessGone(lstat(child, { bigint: true }), undefined)),
    );
    for (const [at, status] of all.entries()) {
      const child = children[at];
      if (status === undefined || child === undefined || status.dev !== top.dev) continue;
      if (status.isDirectory()) pending.push(child);
      else if (status.nlink > 1n) {
        if (seen.has(status.ino)) continue;
        seen.add(status.ino);
      }
      blocks += status.blocks;
    }
  }
  return Number(blocks * 512n);
}

async function unlessGone<T, U>(work: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return otherwise;
    throw error;
  }
}

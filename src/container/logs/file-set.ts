import type { BigIntStats } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf } from "../../errors/index.ts";

/** One file of a rotated log, held open: rotation renames and removes names, never what is open. */
export interface OpenLogFile {
  readonly handle: FileHandle;
  readonly inode: bigint;
  /** Length and last write when it was opened. */
  readonly sizeBytes: number;
  readonly writtenNs: bigint;
  readonly compressed: boolean;
}

interface ListedFile {
  readonly path: string;
  /** 0 = the one being written, 1 = the newest of the rotated ones. */
  readonly age: number;
  readonly compressed: boolean;
  readonly inode: bigint;
}

/**
 * Open all files of a log, oldest first: FILE.2.gz, FILE.1, FILE. Names that move while they are listed and opened would
 * leave a gap or show one file twice, so it is tried until the folder reads the same before and after; a log rotates
 * far more rarely than this takes. The caller closes the files.
 */
export async function openLogFiles(file: string): Promise<OpenLogFile[]> {
  for (;;) {
    const before = await list(file);
    const opened: OpenLogFile[] = [];
    let complete = false;
    try {
      for (const listed of before) {
        const one = await openOne(listed);
        if (one !== undefined) opened.push(one);
      }
      complete = opened.length === before.length && isSame(before, await list(file));
    } finally {
      if (!complete) await closeLogFiles(opened);
    }
    if (complete) return opened;
  }
}

export async function closeLogFiles(files: readonly OpenLogFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.handle.close()));
}

/** The inode that the log's name has now; undefined between two steps of a rotation. */
export async function inodeOf(path: string): Promise<bigint | undefined> {
  return (await statOrAbsent(path))?.ino;
}

async function list(file: string): Promise<ListedFile[]> {
  const folder = dirname(file);
  const name = basename(file);
  const listed: ListedFile[] = [];
  for (const entry of await namesIn(folder)) {
    if (!entry.startsWith(name)) continue;
    const match = /^(?:\.([1-9]\d{0,5})(\.gz)?)?$/.exec(entry.slice(name.length));
    if (match === null) continue;
    const path = join(folder, entry);
    const facts = await statOrAbsent(path);
    if (facts?.isFile() !== true) continue;
    listed.push({ path, age: Number(match[1] ?? 0), compressed: match[2] !== undefined, inode: facts.ino });
  }
  // While a file is being compressed both exist; the original is whole, the other one may not be.
  const whole = listed.filter(
    (one) => !one.compressed || !listed.some((other) => other.age === one.age && !other.compressed),
  );
  return whole.sort((a, b) => b.age - a.age);
}

async function openOne(listed: ListedFile): Promise<OpenLogFile | undefined> {
  const handle = await absentAsUndefined(open(listed.path, "r"));
  if (handle === undefined) return undefined;
  try {
    const facts = await handle.stat({ bigint: true });
    if (facts.ino === listed.inode) {
      return {
        handle,
        inode: facts.ino,
        sizeBytes: Number(facts.size),
        writtenNs: facts.mtimeNs,
        compressed: listed.compressed,
      };
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

const isSame = (a: readonly ListedFile[], b: readonly ListedFile[]) =>
  a.length === b.length &&
  a.every((one, index) => one.path === b[index]?.path && one.inode === b[index]?.inode);

const namesIn = async (folder: string) => (await absentAsUndefined(readdir(folder))) ?? [];

const statOrAbsent = (path: string): Promise<BigIntStats | undefined> =>
  absentAsUndefined(stat(path, { bigint: true }));

async function absentAsUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

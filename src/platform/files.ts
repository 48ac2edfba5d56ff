import { closeSync, fsyncSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { randomHex } from "./random.ts";

/** Make a rename or a new name in a folder durable. */
export function fsyncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Replace a file as a whole: readers see the old bytes or the new ones, also after a power failure. */
export function writeFileAtomic(file: string, bytes: string | Uint8Array, mode = 0o644): void {
  const temporary = `${file}.${randomHex(4)}.tmp`;
  const fd = openSync(temporary, "wx", mode);
  try {
    const buffer = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    for (let at = 0; at < buffer.byteLength; ) at += writeSync(fd, buffer, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, file);
  fsyncFolder(dirname(file));
}

/**
 * Make a file that other processes find whole or not at all, whenever this one is killed. Not kept over a failure of power: for
 * folders that mean nothing after a restart of the machine.
 */
export function writeFileWhole(file: string, bytes: string | Uint8Array, mode: number): void {
  const temporary = `${file}.tmp`;
  writeFileSync(temporary, bytes, { mode });
  renameSync(temporary, file);
}

/** Remove a file or a whole folder; links are removed, never followed; nothing there is no error. */
export const removeTree = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true, maxRetries: 2 });

import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../test/harness/index.ts";

/** Sparse: takes what is written. */
const SIZE = "60G";

/**
 * A file system of the benchmark's own, ext4 as most machines have it, for all engines alike: what the machine itself has
 * may distort it (an ext4 without a journal does not reuse inodes for a minute and searches for others, which makes
 * unpacking what was just removed ten times slower). Without a second page cache (direct I/O) it costs little.
 * The file lies in `parent`, on a disk. Gives the folder; disposing unmounts and removes it.
 */
export async function mountDisk(parent: string): Promise<{ readonly folder: string } & AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  mkdirSync(parent, { recursive: true });
  const place = mkdtempSync(join(parent, "disk-"));
  undo.defer(() => rmSync(place, { recursive: true }));
  const image = join(place, "image");
  // Engines make sockets below it, whose paths have to stay short.
  const folder = mkdtempSync(join(tmpdir(), "gb-"));
  undo.defer(() => rmdirSync(folder));
  await run("truncate", "-s", SIZE, image);
  await run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image);
  const device = (await run("losetup", "--find", "--show", "--direct-io=on", image)).trim();
  undo.defer(async () => void (await run("losetup", "--detach", device)));
  await run("mount", device, folder);
  undo.defer(async () => void (await run("umount", folder)));
  const owned = undo.move();
  return { folder, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function run(program: string, ...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, args, { limitMs: 120_000 });
  if (exitCode !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

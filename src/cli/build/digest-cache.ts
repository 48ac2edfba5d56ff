import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, type Stats, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeFileAtomic } from "../../platform/index.ts";

/** A file's digest with what its inode said when it was read. */
type Known = readonly [inode: number, sizeBytes: number, mtimeMs: number, ctimeMs: number, digest: string];

/** A file that was changed shortly before it was read may be changed again within the same tick of the clock. */
const TICK_MS = 1_000;
/** Folders that nobody builds any more. */
const KEPT_MS = 30 * 24 * 3600 * 1000;
const READ_BYTES = 1 << 20;

/**
 * Digests of a folder's files from one build to the next, so that only those are read again whose inode, size or times have
 * changed; ctime cannot be set back by a program. Kept in $XDG_CACHE_HOME/gantry/contexts.
 */
export class DigestCache {
  readonly #file: string;
  readonly #folder: string;
  readonly #before: ReadonlyMap<string, Known>;
  readonly #now = new Map<string, Known>();

  constructor(folder: string) {
    this.#folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "gantry", "contexts");
    this.#file = join(this.#folder, `${createHash("sha256").update(folder).digest("hex").slice(0, 32)}.json`);
    this.#before = read(this.#file);
  }

  /** SHA-256 of a file's content, 64 hexadecimal digits. */
  async digestOf(name: string, place: Buffer, status: Stats): Promise<string> {
    const before = this.#before.get(name);
    if (before !== undefined && isSame(before, status)) {
      this.#now.set(name, before);
      return before[4];
    }
    const startedMs = Date.now();
    const digest = await hash(place);
    const { ino, size, mtimeMs, ctimeMs } = status;
    if (ctimeMs < startedMs - TICK_MS && mtimeMs < startedMs - TICK_MS)
      this.#now.set(name, [ino, size, mtimeMs, ctimeMs, digest]);
    return digest;
  }

  /** Keep what is known now. A cache that cannot be written costs the next build a reading, and nothing else. */
  save(): void {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileAtomic(this.#file, JSON.stringify([...this.#now]), 0o600);
      for (const name of readdirSync(this.#folder)) {
        const path = join(this.#folder, name);
        if (Date.now() - statSync(path).mtimeMs > KEPT_MS) rmSync(path, { force: true });
      }
    } catch {
      return;
    }
  }
}

const isSame = ([inode, size, mtimeMs, ctimeMs]: Known, status: Stats): boolean =>
  inode === status.ino && size === status.size && mtimeMs === status.mtimeMs && ctimeMs === status.ctimeMs;

function read(file: string): ReadonlyMap<string, Known> {
  try {
    return new Map(JSON.parse(readFileSync(file, "utf8")) as [string, Known][]);
  } catch {
    // None yet, or one that was damaged: everything is read.
    return new Map();
  }
}

async function hash(place: Buffer): Promise<string> {
  const digest = createHash("sha256");
  await using file = await open(place);
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, null);
    if (bytesRead === 0) return digest.digest("hex");
    digest.update(buffer.subarray(0, bytesRead));
  }
}

import { chmodSync, linkSync, lutimesSync, mkdirSync, symlinkSync, utimesSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { decompressed, readTarEntries } from "../../archive/index.ts";
import { invalid, notFound } from "../../errors/index.ts";
import type { ContextFiles, FileVariant } from "./files.ts";
import { type ContextEntry, readContextManifest } from "./manifest.ts";

/** A context that a client sends in parts, in a folder of its own until it is disposed. */
export interface SentContext extends AsyncDisposable {
  /** The folder that holds `root`, for what else a build needs. */
  readonly place: string;
  /** SHA-256 of the files' contents by path. */
  readonly digests: ReadonlyMap<string, string>;
  /** Take in what was missing: a tar of files that are named by their digests, compressed or not. Throws invalid when that is not all. */
  complete(tar: Readable): Promise<void>;
}

/** A context whose build does not come is forgotten after so long. */
const UNCLAIMED_MS = 60_000;

/** Contexts of which the client has told what is in them, by the session of the build that they are for. */
export class SentContexts {
  readonly #folder: string;
  readonly #files: ContextFiles;
  readonly #waiting = new Map<string, { sent: SentContext; timer: NodeJS.Timeout }>();

  constructor(folder: string, files: ContextFiles) {
    this.#folder = folder;
    this.#files = files;
  }

  /** Lay out a context as far as its files are here. Resolves with the digests of those that are not. Throws invalid. */
  async begin(session: string, name: string, body: AsyncIterable<Uint8Array>): Promise<string[]> {
    await using undo = new AsyncDisposableStack();
    const place = await mkdtemp(join(this.#folder, "context-"));
    undo.defer(() => rm(place, { recursive: true, force: true }));
    const layout = new Layout(join(place, "root"), this.#files);
    for await (const entry of readContextManifest(body)) layout.add(entry);
    const owned = undo.move();
    const sent: SentContext = {
      place,
      digests: layout.digests,
      complete: async (tar) => {
        await layout.complete(tar);
        this.#files.use(name, layout.sizes);
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
    const timer = setTimeout(() => {
      this.#waiting.delete(session);
      void sent[Symbol.asyncDispose]();
    }, UNCLAIMED_MS);
    timer.unref();
    this.#waiting.set(session, { sent, timer });
    return layout.missing;
  }

  /** Take in what was missing of a context that is to wait for its build. Throws not-found, invalid. */
  async complete(session: string, tar: Readable): Promise<void> {
    const found = this.#waiting.get(session);
    if (found === undefined) throw unknownSession();
    await found.sent.complete(tar);
    found.timer.refresh();
  }

  /** The context of a session; the caller disposes it. Throws not-found. */
  take(session: string): SentContext {
    const found = this.#waiting.get(session);
    if (found === undefined) throw unknownSession();
    clearTimeout(found.timer);
    this.#waiting.delete(session);
    return found.sent;
  }
}

const unknownSession = () =>
  notFound("the build context of this session was not told of, or waited too long");

interface Target {
  readonly variant: FileVariant;
  readonly path: Buffer;
}

/** A folder that becomes the context. */
class Layout {
  readonly digests = new Map<string, string>();
  /** Bytes by digest. */
  readonly sizes = new Map<string, number>();
  readonly #root: string;
  readonly #files: ContextFiles;
  readonly #lacking = new Map<string, Target[]>();
  readonly #folders: { path: Buffer; mode: number; mtime: number }[] = [];
  readonly #hardlinks: [from: Buffer, to: Buffer][] = [];
  /** Files that have their inode already: a second one of the same kind is no hard link of it. */
  readonly #linked = new Set<string>();

  constructor(root: string, files: ContextFiles) {
    this.#root = root;
    this.#files = files;
    mkdirSync(root, { mode: 0o755 });
  }

  get missing(): string[] {
    return [...this.#lacking.keys()];
  }

  add(entry: ContextEntry): void {
    const path = Buffer.from(`${this.#root}/${entry.path}`, "latin1");
    switch (entry.type) {
      case "directory":
        mkdirSync(path, { mode: 0o755 });
        this.#folders.push({ path, mode: entry.mode, mtime: entry.mtime });
        break;
      case "symlink":
        symlinkSync(Buffer.from(entry.to, "latin1"), path);
        lutimesSync(path, entry.mtime, entry.mtime);
        break;
      case "hardlink":
        this.digests.set(entry.path, this.digests.get(entry.earlier) ?? "");
        this.#hardlinks.push([Buffer.from(`${this.#root}/${entry.earlier}`, "latin1"), path]);
        break;
      case "file": {
        const { digest, mode, mtime, sizeBytes } = entry;
        this.digests.set(entry.path, digest);
        this.sizes.set(digest, sizeBytes);
        const target = { variant: { digest, mode, mtime }, path };
        const others = this.#lacking.get(digest);
        if (others !== undefined) others.push(target);
        else if (!this.#place(target)) this.#lacking.set(digest, [target]);
      }
    }
  }

  #place({ variant, path }: Target): boolean {
    const kind = `${variant.digest}-${variant.mode}-${variant.mtime}`;
    const isPlaced = this.#files.place(variant, path, this.#linked.has(kind));
    if (isPlaced) this.#linked.add(kind);
    return isPlaced;
  }

  async complete(tar: Readable): Promise<void> {
    for await (const entry of readTarEntries(await decompressed(tar))) {
      const targets = this.#lacking.get(entry.path);
      const [first] = targets ?? [];
      if (entry.type !== "file" || first === undefined)
        throw invalid(`unexpected ${entry.path.slice(0, 100)} in the build context`);
      await this.#files.add(first.variant, entry.chunks());
      for (const target of targets ?? []) this.#place(target);
      this.#lacking.delete(entry.path);
    }
    if (this.#lacking.size > 0)
      throw invalid(`the build context lacks ${this.#lacking.size} files that it names`);
    for (const [from, to] of this.#hardlinks) linkSync(from, to);
    // Deepest last in the list: what is made in a folder changes its time.
    for (const { path, mode, mtime } of this.#folders.reverse()) {
      chmodSync(path, mode);
      utimesSync(path, mtime, mtime);
    }
  }
}

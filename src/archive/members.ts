import { open } from "node:fs/promises";
import { posix } from "node:path";
import type { Readable } from "node:stream";
import { type ContentStore, type Digest, type Ingest, parseDigest } from "../content/index.ts";
import { cancelled, invalid } from "../errors/index.ts";
import { ByteSource } from "./byte-source.ts";
import { type Compression, decompressed, detectCompression } from "./compression.ts";
import { readTar, type TarEntry } from "./tar-reader.ts";

/** A file of an outer archive, taken into the content store but not committed there. */
export interface Member {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly compression: Compression;
  readonly ingest: Ingest;
}

const HEX_NAME = /^blobs\/sha256\/([0-9a-f]{64})$/;
/** What old layouts carry besides and nobody reads (Docker image spec v1). */
const LEGACY = /(^|\/)(VERSION|json)$/;

/**
 * The files of an outer archive by their paths. They are taken in the order in which they come, since an archive may
 * tell only at its end (manifest.json, index.json) what they are. Disposing removes all that were not committed.
 */
export class ArchiveMembers implements AsyncDisposable {
  readonly #files = new Map<string, Member>();
  readonly #links = new Map<string, string>();
  readonly #ingests: Ingest[] = [];

  /** Read the whole archive. Throws invalid for a corrupt or hostile one; what was taken so far is then removed. */
  static async read(archive: Readable, content: ContentStore, signal: AbortSignal): Promise<ArchiveMembers> {
    const members = new ArchiveMembers();
    // The first stream of the chain, not the last: one that waits for its source cannot be destroyed before that gives.
    const stop = () => archive.destroy(cancelled("reading the archive was cancelled"));
    signal.addEventListener("abort", stop, { once: true });
    try {
      signal.throwIfAborted();
      const source = new ByteSource(await decompressed(archive));
      for await (const entry of readTar(source)) await members.#take(entry, content);
      await source.drain();
      return members;
    } catch (error) {
      await members[Symbol.asyncDispose]();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
      archive.destroy();
    }
  }

  async #take(entry: TarEntry, content: ContentStore): Promise<void> {
    const path = cleanPath(entry.path);
    if (entry.type === "symlink")
      this.#links.set(path, cleanPath(posix.join(posix.dirname(path), entry.linkPath)));
    if (entry.type === "hardlink") this.#links.set(path, cleanPath(entry.linkPath));
    if (entry.type !== "file" || LEGACY.test(path)) return;
    const ingest = await content.begin();
    this.#ingests.push(ingest);
    let head: Uint8Array = new Uint8Array(0);
    for await (const chunk of entry.chunks()) {
      if (head.length < 6) head = Buffer.concat([head, chunk.subarray(0, 6)]);
      await ingest.write(chunk);
    }
    const named = HEX_NAME.exec(path)?.[1];
    const expected = named === undefined ? {} : { digest: parseDigest(`sha256:${named}`) };
    const { digest, sizeBytes } = await ingest.seal(expected);
    this.#links.delete(path);
    this.#files.set(path, { digest, sizeBytes, compression: detectCompression(head), ingest });
  }

  /** The file at this path, links followed. */
  find(path: string): Member | undefined {
    let at = cleanPath(path);
    for (let hops = 0; hops < 16; hops++) {
      const target = this.#links.get(at);
      if (target === undefined) return this.#files.get(at);
      at = target;
    }
    throw invalid(`invalid archive: too many links at ${path}`);
  }

  get(path: string): Member {
    const member = this.find(path);
    if (member === undefined) throw invalid(`invalid archive: ${path} is missing`);
    return member;
  }

  /** The blob of an OCI layout. */
  blob(digest: Digest): Member {
    return this.get(`blobs/sha256/${digest.slice("sha256:".length)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#ingests.map((ingest) => ingest[Symbol.asyncDispose]()));
  }
}

/** The bytes of a document, which must be small: a hostile archive could otherwise fill the memory. */
export async function readDocument(member: Member, limitBytes: number, what: string): Promise<Buffer> {
  if (member.sizeBytes > limitBytes) throw invalid(`invalid ${what}: over ${limitBytes} bytes`);
  await using file = await open(member.ingest.readPath);
  return await file.readFile();
}

function cleanPath(path: string): string {
  const clean = posix.normalize(`/${path}`).slice(1);
  if (path.split("/").includes("..") && posix.normalize(path).startsWith("..")) {
    throw invalid(`invalid archive: the name ${JSON.stringify(path.slice(0, 200))} leads out of it`);
  }
  return clean;
}

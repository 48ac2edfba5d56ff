import { open } from "node:fs/promises";
import { posix } from "node:path";
import type { Readable } from "node:stream";
import { type ContentStore, type Digest, type Ingest, parseDigest } from "../content/index.ts";
import { cancelled, invalid } from "../errors/index.ts";
import { ByteSource } from "./byte-source.ts";
import { type Compression, decompressed, detectCompression } from "./compression.ts";
import { type EarlyLayer, type EarlyPlace, looksLikeTar, unpackEarly } from "./early.ts";
import { TAR_BLOCK } from "./tar-header.ts";
import { readTar, type TarEntry } from "./tar-reader.ts";

/** A file of an outer archive, taken into the content store but not committed there. */
export interface Member {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly compression: Compression;
  readonly ingest: Ingest;
  /** The layer unpacked already, for the first who asks; undefined when it is not. */
  takeUnpacked(): EarlyLayer | undefined;
}

/** Early layers whose ends are awaited while the next ones arrive. */
const UNPACKING = 2;

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
  readonly #unpacked = new Set<EarlyLayer>();
  #unpacking: Promise<void>[] = [];
  readonly #signal: AbortSignal;
  readonly #early: EarlyPlace | undefined;

  private constructor(early: EarlyPlace | undefined, signal: AbortSignal) {
    this.#early = early;
    this.#signal = signal;
  }

  /**
   * Read the whole archive; plain layers are unpacked meanwhile where `early` says. Throws invalid for a corrupt or
   * hostile one; what was taken so far is then removed.
   */
  static async read(
    archive: Readable,
    content: ContentStore,
    signal: AbortSignal,
    early?: EarlyPlace,
  ): Promise<ArchiveMembers> {
    const members = new ArchiveMembers(early, signal);
    // The first stream of the chain, not the last: one that waits for its source cannot be destroyed before that gives.
    const stop = () => archive.destroy(cancelled("reading the archive was cancelled"));
    signal.addEventListener("abort", stop, { once: true });
    try {
      signal.throwIfAborted();
      const source = new ByteSource(await decompressed(archive));
      for await (const entry of readTar(source)) await members.#take(entry, content);
      await source.drain();
      await Promise.all(members.#unpacking);
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
    const named = HEX_NAME.exec(path)?.[1];
    const expected = named === undefined ? {} : { digest: parseDigest(`sha256:${named}`) };
    const { head, chunks } = await withHead(entry.chunks(), TAR_BLOCK);
    if (this.#early !== undefined && looksLikeTar(head) && !this.#early.isKnown(entry.sizeBytes)) {
      const unpacking = unpackEarly(this.#early, ingest, chunks, this.#signal);
      return this.#unpack(path, expected, unpacking, ingest);
    }
    for await (const chunk of chunks) await ingest.write(chunk);
    const { digest, sizeBytes } = await ingest.seal(expected);
    this.#set(path, {
      digest,
      sizeBytes,
      compression: detectCompression(head),
      ingest,
      takeUnpacked: () => undefined,
    });
  }

  /** The last bytes of a layer are with the helper before it has made files of them all: the next member may come. */
  async #unpack(
    path: string,
    expected: { readonly digest?: Digest },
    { taken, unpacked }: ReturnType<typeof unpackEarly>,
    ingest: Ingest,
  ): Promise<void> {
    const done = unpacked.then(({ digest, sizeBytes, layer }) => {
      this.#unpacked.add(layer);
      if (expected.digest !== undefined && digest !== expected.digest)
        throw invalid(`content does not match its digest: expected ${expected.digest}, got ${digest}`);
      const takeUnpacked = () => (this.#unpacked.delete(layer) ? layer : undefined);
      this.#set(path, { digest, sizeBytes, compression: "none", ingest, takeUnpacked });
    });
    // Met when it is awaited, here or at the end.
    done.catch(() => undefined);
    this.#unpacking.push(done);
    await taken;
    if (this.#unpacking.length > UNPACKING) await this.#unpacking.shift();
  }

  #set(path: string, member: Member): void {
    this.#links.delete(path);
    this.#files.set(path, member);
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
    return this.get(blobPath(digest));
  }

  findBlob(digest: Digest): Member | undefined {
    return this.find(blobPath(digest));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#unpacking);
    await Promise.all([...this.#unpacked].map(({ draft }) => this.#early?.snapshotter.discard(draft)));
    this.#unpacked.clear();
    await Promise.all(this.#ingests.map((ingest) => ingest[Symbol.asyncDispose]()));
  }
}

const blobPath = (digest: Digest): string => `blobs/sha256/${digest.slice("sha256:".length)}`;

/** The bytes of a document, which must be small: a hostile archive could otherwise fill the memory. */
export async function readDocument(member: Member, limitBytes: number, what: string): Promise<Buffer> {
  if (member.sizeBytes > limitBytes) throw invalid(`invalid ${what}: over ${limitBytes} bytes`);
  await using file = await open(member.ingest.readPath);
  return await file.readFile();
}

/** The first bytes of a file, at least `count` unless it is shorter, and all of its bytes. */
async function withHead(
  chunks: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ head: Uint8Array; chunks: AsyncIterable<Uint8Array> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  for (let length = 0; length < count; ) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    first.push(value);
    length += value.length;
  }
  async function* whole() {
    yield* first;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return {
    head: first.length === 1 ? (first[0] ?? new Uint8Array()) : Buffer.concat(first),
    chunks: whole(),
  };
}

function cleanPath(path: string): string {
  const clean = posix.normalize(`/${path}`).slice(1);
  if (path.split("/").includes("..") && posix.normalize(path).startsWith("..")) {
    throw invalid(`invalid archive: the name ${JSON.stringify(path.slice(0, 200))} leads out of it`);
  }
  return clean;
}

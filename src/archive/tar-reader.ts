import type { Readable } from "node:stream";
import { invalid } from "../errors/index.ts";
import { ByteSource } from "./byte-source.ts";
import { parseTarHeader, TAR_BLOCK, type TarHeader } from "./tar-header.ts";

/** One member of an outer archive. `chunks` must be read, or is skipped, before the next entry is asked for. */
export interface TarEntry {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
  readonly linkPath: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** The data; throws invalid when the archive is cut short. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** A long name or a pax header has no honest reason to be longer. */
const MAX_EXTENDED_BYTES = 1 << 20;
/** Entries of one archive of images; Docker's largest has a few hundred. */
const MAX_ENTRIES = 100_000;

const TYPES: Record<string, TarEntry["type"]> = {
  "0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
};

/**
 * The entries of a tar in their order, each known before its data is read: ustar, pax (path, linkpath, size), GNU
 * long names and base-256 sizes. Meant for the outer archive of images; layers are unpacked by the native helper.
 */
export async function* readTar(source: ByteSource, maxEntries = MAX_ENTRIES): AsyncGenerator<TarEntry> {
  let overrides = new Map<string, string>();
  for (let count = 0; ; ) {
    const block = await source.exactly(TAR_BLOCK);
    const header = block === undefined ? undefined : parseTarHeader(block);
    if (header === undefined) return;
    if (header.type === "g") {
      await source.skip(padded(header.sizeBytes));
      continue;
    }
    if (header.type === "x" || header.type === "L" || header.type === "K") {
      const bytes = await extended(source, header.sizeBytes);
      if (header.type === "x") parsePax(bytes, overrides);
      else overrides.set(header.type === "L" ? "path" : "linkpath", cString(bytes));
      continue;
    }
    if (++count > maxEntries) throw invalid(`archive has over ${maxEntries} entries`);
    const data = new EntryData(source, header, overrides);
    yield data.entry;
    await data.finish();
    overrides = new Map();
  }
}

/** A layer has as many entries as files. */
const MAX_LAYER_ENTRIES = 10_000_000;

/** The entries of a layer's plain tar, to look at it without unpacking. */
export const readTarEntries = (tar: Readable): AsyncGenerator<TarEntry> =>
  readTar(new ByteSource(tar), MAX_LAYER_ENTRIES);

function padded(size: number): number {
  return Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
}

async function extended(source: ByteSource, sizeBytes: number): Promise<Buffer> {
  if (sizeBytes > MAX_EXTENDED_BYTES) throw invalid("invalid tar header: extended header of absurd size");
  const bytes = await source.exactly(padded(sizeBytes));
  if (bytes === undefined && sizeBytes > 0) throw invalid("unexpected EOF: the archive is cut short");
  return Buffer.from(bytes ?? []).subarray(0, sizeBytes);
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return (end < 0 ? bytes : bytes.subarray(0, end)).toString("latin1");
}

/** Records "LENGTH key=value\n", LENGTH counting itself (POSIX pax, "pax Extended Header"). */
function parsePax(bytes: Buffer, into: Map<string, string>): void {
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(bytes.toString("latin1", at, space));
    const record = Number.isSafeInteger(length) ? bytes.toString("latin1", space + 1, at + length) : "";
    const equals = record.indexOf("=");
    if (at + length > bytes.length || equals < 1 || !record.endsWith("\n")) {
      throw invalid("invalid tar header: malformed extended header");
    }
    into.set(record.slice(0, equals), record.slice(equals + 1, -1));
    at += length;
  }
}

class EntryData {
  readonly entry: TarEntry;
  readonly #source: ByteSource;
  #left: number;
  readonly #padding: number;

  constructor(source: ByteSource, header: TarHeader, overrides: ReadonlyMap<string, string>) {
    this.#source = source;
    const type = TYPES[header.type] ?? "other";
    const claimed = overrides.get("size");
    const stored = claimed === undefined ? header.sizeBytes : Number(claimed);
    if (!Number.isSafeInteger(stored) || stored < 0) throw invalid("invalid tar header: absurd size");
    this.#left = type === "file" || type === "other" ? stored : 0;
    this.#padding = padded(this.#left) - this.#left;
    this.entry = {
      path: overrides.get("path") ?? header.name,
      type,
      linkPath: overrides.get("linkpath") ?? header.linkName,
      sizeBytes: this.#left,
      mode: header.mode,
      uid: Number(overrides.get("uid") ?? header.uid),
      gid: Number(overrides.get("gid") ?? header.gid),
      chunks: () => this.#chunks(),
    };
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const part = await this.#source.some(this.#left);
      if (part === undefined) throw invalid("unexpected EOF: the archive is cut short");
      this.#left -= part.length;
      yield part;
    }
  }

  async finish(): Promise<void> {
    await this.#source.skip(this.#left + this.#padding);
  }
}

import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { formatTarHeader, TAR_BLOCK } from "../../archive/index.ts";
import type { IgnoreRules } from "../../dockerfile/index.ts";

const NAME_BYTES = 100;
const READ_BYTES = 1 << 18;

/** A file that is sent besides those of the folder. */
export interface ExtraFile {
  readonly name: string;
  readonly content: string;
}

/**
 * A build context as a tar: the extra files, then all of the folder that is not ignored, in the order of names. Owners are
 * root's, so that the same files of another person are the same context. Names are bytes.
 */
export async function* contextArchive(
  folder: string | undefined,
  rules: IgnoreRules,
  extra: readonly ExtraFile[],
): AsyncGenerator<Uint8Array> {
  for (const { name, content } of extra) {
    const bytes = Buffer.from(content);
    yield header({ name, mode: 0o600, sizeBytes: bytes.length, mtime: 0, type: "0", linkName: "" });
    yield padded(bytes);
  }
  if (folder !== undefined) yield* folderArchive(Buffer.from(folder), "", rules);
  yield Buffer.alloc(2 * TAR_BLOCK);
}

async function* folderArchive(root: Buffer, below: string, rules: IgnoreRules): AsyncGenerator<Uint8Array> {
  const place = (name: string) => Buffer.concat([root, Buffer.from(name === "" ? "" : `/${name}`, "latin1")]);
  const names = readdirSync(place(below), { encoding: "buffer" })
    .map((name) => name.toString("latin1"))
    .sort();
  for (const own of names) {
    const name = below === "" ? own : `${below}/${own}`;
    const status = lstatSync(place(name));
    const isIgnored = rules.ignores(name);
    if (status.isDirectory()) {
      if (isIgnored && !rules.mayHoldWanted(name)) continue;
      if (!isIgnored) yield entryHeader(name, status, "");
      yield* folderArchive(root, name, rules);
    } else if (!isIgnored) {
      yield* fileArchive(place(name), name, status);
    }
  }
}

async function* fileArchive(place: Buffer, name: string, status: Stats): AsyncGenerator<Uint8Array> {
  if (status.isSymbolicLink()) {
    yield entryHeader(name, status, readlinkSync(place, { encoding: "buffer" }).toString("latin1"));
    return;
  }
  // Sockets, pipes and devices are no files to build from.
  if (!status.isFile()) return;
  yield entryHeader(name, status, "");
  let sent = 0;
  if (status.size > 0) {
    // By its descriptor: a stream takes no name in bytes.
    await using file = await open(place);
    while (sent < status.size) {
      const { bytesRead, buffer } = await file.read(
        Buffer.allocUnsafe(READ_BYTES),
        0,
        Math.min(READ_BYTES, status.size - sent),
        sent,
      );
      if (bytesRead === 0) break;
      sent += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }
  // One that was cut while it was read is filled up: its size was told before.
  const missing = status.size - sent;
  for (let left = missing; left > 0; left -= 1 << 16) yield Buffer.alloc(Math.min(left, 1 << 16));
  if (status.size % TAR_BLOCK !== 0) yield Buffer.alloc(TAR_BLOCK - (status.size % TAR_BLOCK));
}

function entryHeader(name: string, status: Stats, linkName: string): Buffer {
  const [type, suffix] = status.isDirectory() ? ["5", "/"] : status.isSymbolicLink() ? ["2", ""] : ["0", ""];
  return header({
    name: name + suffix,
    mode: status.mode & 0o7777,
    sizeBytes: type === "0" ? status.size : 0,
    mtime: Math.max(0, Math.floor(status.mtimeMs / 1000)),
    type,
    linkName,
  });
}

interface Fields {
  readonly name: string;
  readonly mode: number;
  readonly sizeBytes: number;
  readonly mtime: number;
  readonly type: string;
  readonly linkName: string;
}

/** A header, with a pax one before it when a name does not fit (POSIX.1-2017 pax(1)). */
function header(fields: Fields): Buffer {
  const long = [
    ...(fields.name.length > NAME_BYTES ? [paxRecord("path", fields.name)] : []),
    ...(fields.linkName.length > NAME_BYTES ? [paxRecord("linkpath", fields.linkName)] : []),
  ];
  const own = formatTarHeader({
    ...fields,
    name: fields.name.slice(0, NAME_BYTES),
    linkName: fields.linkName.slice(0, NAME_BYTES),
    uid: 0,
    gid: 0,
  });
  if (long.length === 0) return own;
  const body = Buffer.from(long.join(""), "latin1");
  const pax = {
    name: "pax",
    linkName: "",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    type: "x",
    sizeBytes: body.length,
  };
  return Buffer.concat([formatTarHeader(pax), padded(body), own]);
}

/** "LENGTH key=value\n", LENGTH counting its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((TAR_BLOCK - (bytes.length % TAR_BLOCK)) % TAR_BLOCK)]);

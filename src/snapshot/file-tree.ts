import { internal, invalid } from "../errors/index.ts";
import { runHelper } from "../platform/index.ts";
import type { SnapshotMount } from "./snapshotter.ts";

/** One file, folder, link or device of a tree. Names are bytes in latin1: one character each, so that any name survives. */
export interface FileEntry {
  readonly type: "file" | "directory" | "symlink" | "character" | "block" | "fifo" | "socket";
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** [seconds, nanoseconds] */
  readonly mtime: readonly [string, string];
  /** "" for a file with one name. */
  readonly inode: string;
  /** "MAJOR:MINOR" */
  readonly device: string;
  /** From the tree's root, without slashes around; "" is the root. */
  readonly path: string;
  /** What a symlink says. */
  readonly link: string;
}

export interface ListedTree {
  /** The true name of what was asked for, links followed. */
  readonly base: string;
  /** The base first, each folder before what it holds, names in byte order. Empty when nothing is there. */
  readonly entries: readonly FileEntry[];
}

/**
 * A change of a tree, executed in order; see native/files_copy.h. Paths after a `target` are below it ("" is the target
 * itself). No link of the tree leads out of it.
 */
export type TreeChange =
  /** `name` is put behind the path when that is a folder. */
  | { readonly kind: "target"; readonly path: string; readonly name: string }
  | {
      readonly kind: "parents";
      readonly path: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  /** `keep`: a folder that is there stays as it is. */
  | {
      readonly kind: "directory";
      readonly path: string;
      readonly entry: Attributes;
      readonly keep: boolean;
    }
  | { readonly kind: "file"; readonly source: string; readonly path: string; readonly entry: Attributes }
  | { readonly kind: "symlink"; readonly path: string; readonly link: string; readonly entry: Attributes }
  | { readonly kind: "hardlink"; readonly path: string; readonly earlier: string }
  | {
      readonly kind: "special";
      readonly path: string;
      readonly type: "p" | "c" | "b";
      readonly device: string;
      readonly entry: Attributes;
    }
  | { readonly kind: "unpack"; readonly source: string; readonly path: string };

type Attributes = Pick<FileEntry, "mode" | "uid" | "gid" | "mtime">;

const TYPES: Readonly<Record<string, FileEntry["type"]>> = {
  f: "file",
  d: "directory",
  l: "symlink",
  c: "character",
  b: "block",
  p: "fifo",
  s: "socket",
};
const FIELDS = 11;
/** Exit code of the helper for what the caller asked for and cannot be. */
const BAD_REQUEST = 65;

/** What lies at each of these places of a tree. Rejects with internal when the kernel refuses. */
export const listTree = (
  shim: string,
  tree: SnapshotMount,
  bases: readonly string[],
  signal: AbortSignal,
): Promise<ListedTree[]> => look(shim, "list", tree, bases, signal);

/** The same without what the folders hold. */
export const statTree = (
  shim: string,
  tree: SnapshotMount,
  bases: readonly string[],
  signal: AbortSignal,
): Promise<ListedTree[]> => look(shim, "stat", tree, bases, signal);

async function look(
  shim: string,
  command: "list" | "stat",
  tree: SnapshotMount,
  bases: readonly string[],
  signal: AbortSignal,
): Promise<ListedTree[]> {
  if (tree.lower.length === 0) return bases.map((base) => ({ base: strip(base), entries: [] }));
  const output = await ask(shim, [command, ...sources(tree)], bases, signal);
  const fields = output.toString("latin1").split("\0");
  const listed: { base: string; entries: FileEntry[] }[] = [];
  for (let at = 0; at + 1 < fields.length; ) {
    const word = fields[at] ?? "";
    if (word === "B" || word === "M") {
      listed.push({ base: fields[at + 1] ?? "", entries: [] });
      at += 2;
      continue;
    }
    const [
      type = "",
      mode = "",
      uid,
      gid,
      size,
      seconds = "0",
      nanoseconds = "0",
      inode = "0",
      device = "",
      path = "",
      link = "",
    ] = fields.slice(at, at + FIELDS);
    listed.at(-1)?.entries.push({
      type: TYPES[type] ?? "socket",
      mode: Number.parseInt(mode, 8),
      uid: Number(uid),
      gid: Number(gid),
      sizeBytes: Number(size),
      mtime: [seconds, nanoseconds],
      inode: inode === "0" ? "" : inode,
      device,
      path,
      link,
    });
    at += FIELDS;
  }
  return listed;
}

/** SHA-256 of each file's content and extended attributes, in the order of the (true) paths. */
export async function digestFiles(
  shim: string,
  tree: SnapshotMount,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  if (paths.length === 0) return [];
  const output = await ask(shim, ["digest", ...sources(tree)], paths, signal);
  return output.toString("latin1").split("\0").slice(0, paths.length);
}

/** Contents of small files, links followed; undefined for what is not there. */
export async function readTreeFiles(
  shim: string,
  tree: SnapshotMount,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<(Buffer | undefined)[]> {
  if (tree.lower.length === 0) return paths.map(() => undefined);
  const output = await ask(shim, ["read", ...sources(tree)], paths, signal);
  const contents: (Buffer | undefined)[] = [];
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf(0, at);
    const length = output.toString("latin1", at, end);
    const next = end + 1 + (length === "-" ? 0 : Number(length));
    contents.push(length === "-" ? undefined : output.subarray(end + 1, next));
    at = next;
  }
  return contents;
}

/**
 * Write changes into a tree: into its upper folder through the overlay, or straight into that folder when it has no lower
 * ones. Throws invalid for what cannot be (a file over a folder), internal when the kernel refuses.
 */
export async function copyIntoTree(
  shim: string,
  request: { source: SnapshotMount; tree: SnapshotMount; changes: readonly TreeChange[] },
  signal: AbortSignal,
): Promise<void> {
  const { lower, upper = "", work } = request.tree;
  const args = ["copy", ...sources(request.source), ...lower.flatMap((folder) => ["--lower", folder])];
  args.push("--upper", upper, ...(work === undefined || lower.length === 0 ? [] : ["--work", work]));
  await ask(shim, args, request.changes.flatMap(recordOf), signal);
}

const sources = ({ lower }: SnapshotMount): string[] => lower.flatMap((folder) => ["--source", folder]);
const strip = (path: string) => path.replace(/^\/+|\/+$/g, "");

async function ask(
  shim: string,
  args: readonly string[],
  words: readonly string[],
  signal: AbortSignal,
): Promise<Buffer> {
  const input = Buffer.from(words.map((word) => `${word.replaceAll("\0", "")}\0`).join(""), "latin1");
  const { code, stdout, stderr } = await runHelper(shim, ["files", ...args], input, signal);
  if (code === 0) return stdout;
  const sentence = stderr.trim() || `the helper ended with code ${code}`;
  throw code === BAD_REQUEST ? invalid(sentence) : internal(sentence);
}

function recordOf(change: TreeChange): string[] {
  switch (change.kind) {
    case "target":
      return ["T", change.path, change.name];
    case "parents":
      return ["P", change.path, octal(change.mode), String(change.uid), String(change.gid)];
    case "directory":
      return ["D", change.path, ...attributes(change.entry), ...change.entry.mtime, change.keep ? "0" : "1"];
    case "file":
      return ["F", change.source, change.path, ...attributes(change.entry)];
    case "symlink":
      return ["L", change.path, change.link, ...attributes(change.entry).slice(1), ...change.entry.mtime];
    case "hardlink":
      return ["H", change.path, change.earlier];
    case "special":
      return [
        "N",
        change.path,
        change.type,
        ...attributes(change.entry),
        change.device,
        ...change.entry.mtime,
      ];
    case "unpack":
      return ["U", change.source, change.path];
  }
}

const octal = (mode: number) => mode.toString(8);
const attributes = ({ mode, uid, gid }: Attributes) => [octal(mode), String(uid), String(gid)];

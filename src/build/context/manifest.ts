import { parseJson } from "../../archive/index.ts";
import { invalid } from "../../errors/index.ts";

/** One thing of a context as its client lists it; names are bytes, one character each. Times are seconds since 1970. */
export type ContextEntry =
  | { readonly type: "directory"; readonly path: string; readonly mode: number; readonly mtime: number }
  | { readonly type: "symlink"; readonly path: string; readonly mtime: number; readonly to: string }
  /** Another name of a file that was listed before. */
  | { readonly type: "hardlink"; readonly path: string; readonly earlier: string }
  | {
      readonly type: "file";
      readonly path: string;
      readonly mode: number;
      readonly mtime: number;
      readonly sizeBytes: number;
      /** 64 hexadecimal digits of the content's SHA-256. */
      readonly digest: string;
    };

const MAX_LINE = 64 << 10;
const MAX_ENTRIES = 10_000_000;

/**
 * The entries of a context, one JSON list a line, folders before what is in them: ["d", path, mode, mtime],
 * ["l", path, mtime, target], ["f", path, mode, mtime, size, digest], ["h", path, earlier path]. Throws invalid for anything else, and for a path that
 * leaves the context or goes through what is no folder of it.
 */
export async function* readContextManifest(body: AsyncIterable<Uint8Array>): AsyncGenerator<ContextEntry> {
  const folders = new Set([""]);
  const seen = new Set<string>();
  const files = new Set<string>();
  for await (const line of linesOf(body)) {
    const entry = parseEntry(line);
    const { path } = entry;
    const name = path.slice(path.lastIndexOf("/") + 1);
    const above = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
    if (
      name === "" ||
      name === "." ||
      name === ".." ||
      path.includes("\0") ||
      !folders.has(above) ||
      seen.has(path)
    )
      throw invalid(`invalid path in the build context: ${JSON.stringify(path.slice(0, 200))}`);
    seen.add(path);
    if (seen.size > MAX_ENTRIES) throw invalid(`the build context has over ${MAX_ENTRIES} files`);
    if (entry.type === "directory") folders.add(path);
    if (entry.type === "file") files.add(path);
    if (entry.type === "hardlink" && !files.has(entry.earlier))
      throw invalid(`invalid path in the build context: ${JSON.stringify(path)} is a link of no file`);
    yield entry;
  }
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const bytes of body) {
    const lines = (rest + Buffer.from(bytes).toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE) throw invalid("invalid list of the build context: a line without an end");
    yield* lines;
  }
  if (rest !== "") yield rest;
}

function parseEntry(line: string): ContextEntry {
  const fields = parseJson(line, "list of the build context");
  if (!Array.isArray(fields)) throw malformed(line);
  const list: readonly unknown[] = fields;
  const text = (at: number): string => {
    const value = list[at];
    if (typeof value !== "string") throw malformed(line);
    return value;
  };
  const number = (at: number, limit: number): number => {
    const value = list[at];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > limit)
      throw malformed(line);
    return value;
  };
  const time = (at: number) => number(at, 0xffff_ffff);
  switch (list[0]) {
    case "d":
      return { type: "directory", path: text(1), mode: number(2, 0o7777), mtime: time(3) };
    case "l":
      return { type: "symlink", path: text(1), mtime: time(2), to: text(3) };
    case "h":
      return { type: "hardlink", path: text(1), earlier: text(2) };
    case "f": {
      const digest = text(5);
      if (!/^[0-9a-f]{64}$/.test(digest)) throw malformed(line);
      const sizeBytes = number(4, Number.MAX_SAFE_INTEGER);
      return { type: "file", path: text(1), mode: number(2, 0o7777), mtime: time(3), sizeBytes, digest };
    }
    default:
      throw malformed(line);
  }
}

const malformed = (line: string) => invalid(`invalid list of the build context: ${line.slice(0, 200)}`);

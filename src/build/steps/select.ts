import { posix } from "node:path";
import { type IgnoreRules, ignoreRules, isPattern, patternExpression } from "../../dockerfile/index.ts";
import { notFound } from "../../errors/index.ts";
import type { FileEntry, TreeChange } from "../../snapshot/index.ts";
import type { Owner } from "./owner.ts";
import { byteName, type SourceTree } from "./source-tree.ts";

/** One source of a COPY: what it is called, and what lies there. */
export interface Selected {
  /** Its path as matched, before links were followed. */
  readonly path: string;
  readonly base: string;
  /** The base first. */
  readonly entries: readonly FileEntry[];
}

export interface Placement {
  /** Absolute; with a slash at the end for a folder. In bytes, as the trees have names. */
  readonly destination: string;
  /** undefined: as the source has it. */
  readonly owner: Owner | undefined;
  readonly chmod: (mode: number, isFolder: boolean) => number;
  readonly exclude: readonly string[];
  /** Keep the folders of the source's path. */
  readonly parents: boolean;
}

/** "/a/../b/" as "b": nothing leads out of the source. */
const clean = (path: string): string => posix.normalize(`/${path}`).replace(/^\/|\/$/g, "");

/** What a source's path or pattern means. Throws not-found for a path that is not there; a pattern may match nothing. */
export async function selectSource(tree: SourceTree, text: string, signal: AbortSignal): Promise<Selected[]> {
  const path = clean(byteName(text));
  if (!isPattern(path)) {
    const listed = await tree.list(path, signal);
    if (listed.entries.length === 0) {
      throw notFound(
        `file not found in build context or excluded by .dockerignore: stat ${text}: file does not exist`,
      );
    }
    return [{ path, ...listed }];
  }
  const parts = path.split("/");
  const first = parts.findIndex(isPattern);
  const folder = parts.slice(0, first).join("/");
  const expression = patternExpression(parts.slice(first).join("/"));
  const listed = await tree.list(folder, signal);
  const matches = listed.entries.filter(({ path: name }) => {
    const below = name.slice(listed.base === "" ? 0 : listed.base.length + 1);
    return below !== "" && expression.test(below);
  });
  return Promise.all(
    matches.map(async (entry): Promise<Selected> => {
      if (entry.type === "symlink") return { path: entry.path, ...(await tree.list(entry.path, signal)) };
      if (entry.type !== "directory") return { path: entry.path, base: entry.path, entries: [entry] };
      const inside = listed.entries.filter(({ path: name }) => name.startsWith(`${entry.path}/`));
      return { path: entry.path, base: entry.path, entries: [entry, ...inside] };
    }),
  );
}

/**
 * The changes that put a source into its place: a folder's content goes into the destination, a file into it or under its
 * name (Dockerfile reference, COPY). With `parents` the path from the pivot "/./" on is kept.
 */
export function placeSource(source: Selected, written: string, placement: Placement): TreeChange[] {
  const { destination, owner = { uid: 0, gid: 0 }, parents } = placement;
  const [root] = source.entries;
  if (root === undefined) return [];
  const isFolder = root.type === "directory";
  const entries = withoutExcluded(source, placement.exclude);
  const kept = parents ? keptPath(source.path, byteName(written)) : "";
  const place = parents ? posix.join(destination, kept) : destination;
  const changes: TreeChange[] = [];
  const made = { mode: 0o755, uid: owner.uid, gid: owner.gid };
  if (isFolder || !destination.endsWith("/") || parents) {
    const above = posix.dirname(place.replace(/(?<=.)\/$/, ""));
    if (above !== "/") changes.push({ kind: "parents", path: above, ...made });
    const name = isFolder || parents ? "" : posix.basename(source.path);
    changes.push({ kind: "target", path: place, name });
  } else {
    changes.push({ kind: "parents", path: destination, ...made });
    changes.push({ kind: "target", path: posix.join(destination, posix.basename(source.path)), name: "" });
  }
  const firstNames = new Map<string, string>();
  for (const entry of entries) {
    const below = entry.path.slice(source.base === "" ? 0 : source.base.length).replace(/^\//, "");
    // A folder that is there keeps its own attributes when it is the destination, and takes the source's when below it.
    const change = changeOf(entry, below, placement, below === "" && !parents, firstNames);
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

/** The part of a source's path that --parents keeps. */
function keptPath(path: string, written: string): string {
  const pivot = written.indexOf("/./");
  if (pivot < 0) return path;
  const before = clean(written.slice(0, pivot));
  const depth = before === "" ? 0 : before.split("/").length;
  return path.split("/").slice(depth).join("/");
}

function withoutExcluded(source: Selected, exclude: readonly string[]): readonly FileEntry[] {
  if (exclude.length === 0) return source.entries;
  const rules: IgnoreRules = ignoreRules(exclude.map(byteName));
  const isFolder = source.entries[0]?.type === "directory";
  return source.entries.filter(({ path }) => {
    const below = isFolder
      ? path.slice(source.base === "" ? 0 : source.base.length + 1)
      : posix.basename(source.path);
    return below === "" || !rules.ignores(below);
  });
}

function changeOf(
  entry: FileEntry,
  path: string,
  { owner, chmod }: Placement,
  keep: boolean,
  firstNames: Map<string, string>,
): TreeChange | undefined {
  const isFolder = entry.type === "directory";
  const attributes = {
    mode: entry.type === "symlink" ? entry.mode : chmod(entry.mode, isFolder),
    uid: owner?.uid ?? entry.uid,
    gid: owner?.gid ?? entry.gid,
    mtime: entry.mtime,
  };
  if (entry.inode !== "") {
    const earlier = firstNames.get(entry.inode);
    if (earlier !== undefined) return { kind: "hardlink", path, earlier };
    firstNames.set(entry.inode, path);
  }
  switch (entry.type) {
    case "directory":
      return { kind: "directory", path, entry: attributes, keep };
    case "file":
      return { kind: "file", source: entry.path, path, entry: attributes };
    case "symlink":
      return { kind: "symlink", path, link: entry.link, entry: attributes };
    case "fifo":
    case "character":
    case "block":
      return {
        kind: "special",
        path,
        type: entry.type === "fifo" ? "p" : entry.type === "block" ? "b" : "c",
        device: entry.device,
        entry: attributes,
      };
    case "socket":
      // It means nothing without its process.
      return undefined;
  }
}

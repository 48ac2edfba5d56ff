import { readdir } from "node:fs/promises";
import { type FileEntry, listTree } from "../snapshot/index.ts";
import type { FilesystemChange } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";

const MODIFIED = 0;
const ADDED = 1;
const DELETED = 2;

/**
 * What differs between a container's files and its image's, by path. A folder counts as changed when its owner or mode
 * is another or when something in it differs; of what was removed only the uppermost folder is told.
 */
export async function listContainerChanges(
  context: ContainerContext,
  reference: string,
  signal: AbortSignal,
): Promise<FilesystemChange[]> {
  const { id } = context.table.find(reference);
  const { lower, upper = "" } = context.planner.root(id);
  if ((await readdir(upper)).length === 0) return [];
  const [present, before] = await Promise.all(
    [[upper, ...lower], lower].map((folders) => listTree(context.shim, { lower: folders }, [""], signal)),
  );
  return compareTrees(present?.[0]?.entries ?? [], before?.[0]?.entries ?? []);
}

/** Both trees with each folder before what it holds. */
export function compareTrees(
  present: readonly FileEntry[],
  before: readonly FileEntry[],
): FilesystemChange[] {
  const earlier = new Map(before.map((entry) => [entry.path, entry]));
  const folders = new Set<string>();
  const kinds = new Map<string, number>();
  const note = (path: string, kind: number) => {
    kinds.set(path, kind);
    for (let at = parentOf(path); at !== "" && !kinds.has(at); at = parentOf(at)) kinds.set(at, MODIFIED);
  };
  for (const entry of present) {
    if (entry.type === "directory") folders.add(entry.path);
    const old = earlier.get(entry.path);
    earlier.delete(entry.path);
    if (entry.path === "") continue;
    if (old === undefined) note(entry.path, ADDED);
    else if (differs(entry, old)) note(entry.path, MODIFIED);
  }
  // What is left is gone; where its folder is gone as well, that says it.
  for (const path of earlier.keys()) if (path !== "" && folders.has(parentOf(path))) note(path, DELETED);
  return [...kinds]
    .map(([path, Kind]) => ({ Kind, Path: `/${Buffer.from(path, "latin1").toString("utf8")}` }))
    .sort((a, b) => (a.Path < b.Path ? -1 : 1));
}

/** Times of folders change with what is in them, which is told by itself; their sizes mean nothing. */
function differs(a: FileEntry, b: FileEntry): boolean {
  if (a.type !== b.type || a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return true;
  if (a.type === "directory") return false;
  return (
    a.device !== b.device ||
    a.sizeBytes !== b.sizeBytes ||
    a.mtime[0] !== b.mtime[0] ||
    a.mtime[1] !== b.mtime[1]
  );
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

import { lstatSync, readdirSync, readlinkSync, rmdirSync, type Stats, unlinkSync } from "node:fs";
import { join, posix } from "node:path";
import { errnoOf } from "../../errors/index.ts";
import type { SnapshotMount } from "../../snapshot/index.ts";

/** Places that every container's mounts are put on, in an image that has them or not. */
const STANDARD = ["/proc", "/dev", "/sys", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts"];
const MAX_LINKS = 40;

/**
 * Remove from a step's changes the empty files and folders that were only made to put mounts on: they are the engine's, not
 * the image's. What the step itself changed stays. Looks at the folders directly, which nobody else uses now; a lower layer
 * that an opaque folder hides counts as shown, so that in doubt a stub stays.
 */
export function removeStubs({ lower, upper = "" }: SnapshotMount, targets: readonly string[]): void {
  // Deepest first: a folder made for a mount is empty once the stubs in it are gone.
  const all = [...new Set([...STANDARD, ...targets])]
    .flatMap(withParents)
    .sort((a, b) => b.length - a.length);
  for (const target of new Set(all)) {
    const path = resolve([upper, ...lower], target);
    if (path === undefined || path === "") continue;
    const status = statusOf(join(upper, path));
    if (status === undefined || !isStub(status, join(upper, path))) continue;
    const below = shown(lower, path);
    if (below === undefined || isSameFolder(status, below)) removeStub(join(upper, path), status);
  }
}

function withParents(target: string): string[] {
  const paths: string[] = [];
  for (let path = posix.normalize(target); path !== "/" && path !== "."; path = posix.dirname(path))
    paths.push(path);
  return paths;
}

const isStub = (status: Stats, path: string): boolean =>
  status.isDirectory() ? readdirSync(path).length === 0 : status.isFile() && status.size === 0;

/** A folder that was only copied up because something was made in it. */
const isSameFolder = (status: Stats, below: Stats): boolean =>
  status.isDirectory() &&
  below.isDirectory() &&
  status.mode === below.mode &&
  status.uid === below.uid &&
  status.gid === below.gid;

function removeStub(path: string, status: Stats): void {
  if (status.isDirectory()) rmdirSync(path);
  else unlinkSync(path);
}

function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

const isWhiteout = (status: Stats) => status.isCharacterDevice() && status.rdev === 0;

/** What the layers show at a true name: the topmost that has it, unless it is hidden on the way. */
function shown(layers: readonly string[], path: string): Stats | undefined {
  for (const layer of layers) {
    let name = "";
    for (const part of path.split("/")) {
      name = name === "" ? part : `${name}/${part}`;
      const status = statusOf(join(layer, name));
      if (status === undefined) break;
      if (isWhiteout(status)) return undefined;
      if (name === path) return status;
      if (!status.isDirectory()) return undefined;
    }
  }
  return undefined;
}

/** The true name of a path in the layers, links followed within them; undefined for a circle of links. */
function resolve(layers: readonly string[], target: string): string | undefined {
  let rest = target.split("/");
  let path = "";
  for (let links = 0; rest.length > 0; ) {
    const [part = "", ...more] = rest;
    rest = more;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      path = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
      continue;
    }
    const next = path === "" ? part : `${path}/${part}`;
    const layer = layers.find((folder) => statusOf(join(folder, next)) !== undefined);
    const status = shown(layers, next);
    if (layer === undefined || status === undefined || !status.isSymbolicLink()) {
      path = next;
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    const link = readlinkSync(join(layer, next));
    if (link.startsWith("/")) path = "";
    rest = [...link.split("/"), ...rest];
  }
  return path;
}

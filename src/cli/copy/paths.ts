import { lstat, readlink, stat } from "node:fs/promises";
import { posix } from "node:path";
import { errnoOf } from "../../errors/index.ts";
import { ExitError } from "../command/usage-error.ts";

/** One side of a copy. `rebaseName` is what the copied thing is to be called when a link has led to another name. */
export interface CopyInfo {
  readonly path: string;
  readonly exists: boolean;
  readonly isFolder: boolean;
  readonly rebaseName: string;
}

const isCurrentFolder = (path: string): boolean => /(^|\/)\.\/*$/.test(path) || path === "";
const hasTrailingSlash = (path: string): boolean => path.endsWith("/");

/** As filepath.Clean and filepath.Base of Go: no slash at the end, and "/" is called "/". */
export const clean = (path: string): string => posix.normalize(path || ".").replace(/(?<=.)\/$/, "");
export const baseOf = (path: string): string => (path === "" ? "." : /([^/]*)\/*$/.exec(path)?.[1] || "/");

/** A cleaned path, with the "/" or "/." at its end that the original has: both mean something to a copy. */
export function keepEnding(cleaned: string, original: string): string {
  const separator = hasTrailingSlash(cleaned) ? "" : "/";
  if (!isCurrentFolder(cleaned) && isCurrentFolder(original)) return `${cleaned}${separator}.`;
  return hasTrailingSlash(original) ? `${cleaned}${separator}` : cleaned;
}

export const absolute = (path: string): string => keepEnding(posix.resolve(path), path);

/** A path in two: the folder, and the name in it ("." for "x/."). */
export function splitPath(path: string): { folder: string; base: string } {
  const cleaned = isCurrentFolder(path) ? `${clean(path) === "/" ? "" : clean(path)}/.` : clean(path);
  if (cleaned.endsWith("/.")) return { folder: cleaned.slice(0, -2) || "/", base: "." };
  return { folder: posix.dirname(cleaned), base: baseOf(cleaned) };
}

/** Where a link led, with the ending of the path that was asked for, and the name that was asked for if it is another. */
export function rebase(path: string, resolved: string): { path: string; rebaseName: string } {
  let target = resolved;
  if (isCurrentFolder(path) && !isCurrentFolder(target)) target += "/.";
  if (hasTrailingSlash(path) && !hasTrailingSlash(target)) target += "/";
  return { path: target, rebaseName: baseOf(path) === baseOf(target) ? "" : baseOf(path) };
}

/** What Go says of a system call that failed on a path. */
export function systemError(call: string, path: string, error: unknown): ExitError {
  const words: Readonly<Record<string, string>> = {
    ENOENT: "no such file or directory",
    ENOTDIR: "not a directory",
    EACCES: "permission denied",
    ELOOP: "too many levels of symbolic links",
  };
  const code = errnoOf(error) ?? "";
  return new ExitError(1, `${call} ${path}: ${words[code] ?? code}`);
}

const MAX_LINKS = 10;

/** Where a copy to this machine goes: links followed, the last part may be missing but its folder may not. */
export async function destinationInfo(path: string): Promise<CopyInfo> {
  let at = path;
  for (let links = 0; links <= MAX_LINKS + 1; links++) {
    const found = await lstat(at).catch((error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw systemError("lstat", at, error);
      return undefined;
    });
    if (found === undefined) {
      const { folder } = splitPath(at);
      const parent = await stat(folder).catch((error: unknown) => {
        throw systemError("stat", folder, error);
      });
      if (!parent.isDirectory()) throw new ExitError(1, "not a directory");
      return { path: at, exists: false, isFolder: false, rebaseName: "" };
    }
    if (!found.isSymbolicLink())
      return { path: at, exists: true, isFolder: found.isDirectory(), rebaseName: "" };
    const target = await readlink(at);
    at = posix.isAbsolute(target) ? target : posix.join(splitPath(at).folder, target);
  }
  throw new ExitError(1, `too many symlinks in ${path}`);
}

/**
 * Docker's rules of a copy: into a folder that exists under the own name, else under the destination's name. Throws for a
 * folder over a file, and for a file into a folder that is not there.
 */
export function prepareCopy(
  source: CopyInfo,
  destination: CopyInfo,
): { folder: string; rename?: readonly [from: string, to: string] } {
  if (destination.exists && destination.isFolder) return { folder: destination.path };
  if (destination.exists && source.isFolder) throw new ExitError(1, "cannot copy directory");
  const assertsFolder = hasTrailingSlash(destination.path) || isCurrentFolder(destination.path);
  if (!destination.exists && !source.isFolder && assertsFolder) throw new ExitError(1, "no such directory");
  const { folder, base } = splitPath(destination.path);
  const from = source.rebaseName || splitPath(source.path).base;
  return { folder, rename: [from === "/" ? "" : from, base] };
}

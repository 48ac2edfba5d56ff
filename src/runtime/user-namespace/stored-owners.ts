import { chmodSync, lchownSync, lstatSync, readdirSync } from "node:fs";
import { unsupported } from "../../errors/index.ts";
import { hostIdOf } from "../compile/index.ts";
import type { IdMapEntry, IdMaps } from "../plan/index.ts";

/**
 * Owners that stand on the disk as a user namespace's, where no mount can show files with others. What the native helper
 * writes and reads it takes to the host's ids and back (native/owners.h); what the engine makes itself it hands over.
 */
export interface StoredOwners {
  /** The namespace's root on the host. */
  readonly root: { readonly uid: number; readonly gid: number };
  /** Name and value of the environment of the native helper. */
  readonly environment: readonly [name: string, value: string];
  /**
   * Give a file or folder to the namespace: an owner that is none of its own on the host is taken as a number within it.
   * Nobody else may be able to replace what is at the path.
   */
  handOver(path: string): void;
  /** The same with all that is in a folder, which nobody else may write to. No link is followed. */
  handOverTree(folder: string): void;
}

const SLASH = Buffer.from("/");
const SPECIAL_BITS = 0o7000;

/** Throws unsupported for maps whose ids on the host are also ids in the namespace: whose a file is could not be told. */
export function createStoredOwners(maps: IdMaps): StoredOwners {
  const uidOf = resolver(maps.uids);
  const gidOf = resolver(maps.gids);
  const handOver = (path: string | Buffer): void => {
    const { uid, gid, mode, isDirectory } = statusOf(path);
    if (uidOf(uid) === uid && gidOf(gid) === gid) return;
    lchownSync(path, uidOf(uid), gidOf(gid));
    // A change of owner clears the bits of a file that is no link.
    if ((mode & SPECIAL_BITS) !== 0 && !isDirectory) chmodSync(path, mode);
  };
  const handOverTree = (folder: Buffer): void => {
    for (const name of readdirSync(folder, { encoding: "buffer" })) {
      const path = Buffer.concat([folder, SLASH, name]);
      if (statusOf(path).isDirectory) handOverTree(path);
      else handOver(path);
    }
    handOver(folder);
  };
  return {
    root: { uid: uidOf(0), gid: gidOf(0) },
    environment: ["GANTRY_STORED_OWNERS", `${lines(maps.uids)}/${lines(maps.gids)}`],
    handOver,
    handOverTree: (folder) => handOverTree(Buffer.from(folder)),
  };
}

function statusOf(path: string | Buffer) {
  const status = lstatSync(path);
  const { uid, gid, mode } = status;
  return { uid, gid, mode: status.isSymbolicLink() ? 0 : mode & 0o7777, isDirectory: status.isDirectory() };
}

function resolver(entries: readonly IdMapEntry[]): (id: number) => number {
  const overlaps = (a: IdMapEntry, b: IdMapEntry) =>
    a.hostId < b.containerId + b.size && b.containerId < a.hostId + a.size;
  if (entries.some((a) => entries.some((b) => overlaps(a, b))))
    throw unsupported(
      "--userns-remap without idmapped mounts needs subordinate ids that are none of the container's own numbers (hint: give the user a range from 100000 on)",
    );
  return (id) => hostIdOf(entries, id) ?? id;
}

/** Lines of uid_map and gid_map (user_namespaces(7)). */
const lines = (entries: readonly IdMapEntry[]): string =>
  entries.map(({ containerId, hostId, size }) => `${containerId} ${hostId} ${size}\n`).join("");

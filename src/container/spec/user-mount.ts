import { invalid, unsupported } from "../../errors/index.ts";
import { hostIdOf, specIdMappings } from "../../runtime/compile/index.ts";
import type { IdMapEntry, IdMaps } from "../../runtime/index.ts";
import type { SpecMount } from "../../runtime/spec/index.ts";
import type { ResolvedMount } from "../record.ts";

export interface UserMountInput {
  /** `--user` of the container. */
  readonly user: string;
  /** Folders of an image's layers, topmost first. */
  readonly layersOf: (chainId: string) => readonly string[];
  /** Of the container's user namespace. */
  readonly idMaps: IdMaps | undefined;
  /** How what the engine keeps is shown in it; undefined when that is kept with the owners that it has there. */
  readonly shift: IdMaps | undefined;
}

/** A mount that the user asked for. */
export function userMount(item: ResolvedMount, { user, layersOf, idMaps, shift }: UserMountInput): SpecMount {
  const { Type, Source, Destination, subpath } = item;
  const access = item.RW ? "rw" : "ro";
  if (Type === "tmpfs") {
    const own = item.tmpfsOptions.split(",").filter(Boolean);
    return {
      destination: Destination,
      type: "tmpfs",
      source: "tmpfs",
      options: ["noexec", "nosuid", "nodev", ...own],
    };
  }
  if (item.image !== undefined) return imageMount(Destination, layersOf(item.image.chainId), subpath, shift);
  const options = [item.nonRecursive ? "bind" : "rbind", item.Propagation || "rprivate", access];
  if (!item.RW && !item.readonlyNonRecursive) options.push("rro");
  if (item.copyUp) options.push("copy-up");
  return {
    destination: Destination,
    type: "bind",
    source: Source,
    options,
    ...(subpath === undefined ? {} : { subpath }),
    ...(item.owner === undefined ? {} : ownersOf(item.owner, user, idMaps)),
    ...(item.ownIds === true ? shiftedBy(shift) : {}),
  };
}

/** A mount of what the engine keeps with the container's own ids as owners. */
export const shiftedBy = (idMaps: IdMaps | undefined): Pick<SpecMount, "uidMappings" | "gidMappings"> =>
  idMaps === undefined
    ? {}
    : { uidMappings: specIdMappings(idMaps.uids), gidMappings: specIdMappings(idMaps.gids) };

/**
 * The layers of an image above each other, read-only, or a path in them. One layer is what it is; a union has at least two. Throws
 * unsupported for a path in a union whose owners would have to be shifted.
 */
function imageMount(
  destination: string,
  layers: readonly string[],
  subpath: string | undefined,
  shift: IdMaps | undefined,
): SpecMount {
  const [only, second] = layers;
  const below = subpath === undefined ? {} : { subpath };
  if (only !== undefined && second === undefined)
    return {
      destination,
      type: "bind",
      source: only,
      options: ["bind", "rprivate", "ro", "nosuid", "nodev"],
      ...shiftedBy(shift),
      ...below,
    };
  if (subpath !== undefined && shift !== undefined)
    throw unsupported(
      "a path in an image of several layers cannot be mounted into a container with a user namespace",
    );
  return {
    destination,
    type: "overlay",
    source: "overlay",
    options: ["ro", "nosuid", "nodev", ...layers.map((folder) => `lowerdir+=${folder}`)],
    ...below,
  };
}

/** The owner on the host and the container's user change places; all others stay who they are. */
function ownersOf(
  owner: { uid: number; gid: number },
  user: string,
  idMaps: IdMaps | undefined,
): Pick<SpecMount, "uidMappings" | "gidMappings"> {
  const { uid, gid } = numericUser(user);
  const onHost = (entries: readonly IdMapEntry[] | undefined, id: number) => {
    const found = entries === undefined ? id : hostIdOf(entries, id);
    if (found === undefined)
      throw invalid(`the user namespace has no id ${id} for a bind with idmap=match-user`);
    return found;
  };
  return {
    uidMappings: exchange(owner.uid, onHost(idMaps?.uids, uid)),
    gidMappings: exchange(owner.gid, onHost(idMaps?.gids, gid)),
  };
}

/** "UID:GID" of --user, "" for root. Throws invalid for anything else: only the image knows what that stands for. */
export function numericUser(user: string): { uid: number; gid: number } {
  if (user === "") return { uid: 0, gid: 0 };
  const [, uid, gid] = /^(\d{1,10}):(\d{1,10})$/.exec(user) ?? [];
  if (uid === undefined || gid === undefined)
    throw invalid(`a bind with idmap=match-user needs the container's user as UID:GID, and not "${user}"`);
  return { uid: Number(uid), gid: Number(gid) };
}

const LAST_ID = 0xffff_fffe;

function exchange(a: number, b: number) {
  const [low, high] = a < b ? [a, b] : [b, a];
  const range = (first: number, last: number, to = first) =>
    first > last ? [] : [{ containerID: first, hostID: to, size: last - first + 1 }];
  if (low === high) return range(0, LAST_ID);
  return [
    ...range(0, low - 1),
    ...range(low, low, high),
    ...range(low + 1, high - 1),
    ...range(high, high, low),
    ...range(high + 1, LAST_ID),
  ];
}

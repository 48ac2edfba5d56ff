import { unsupported } from "../../errors/index.ts";
import type { MountAttributes, Operation, Propagation } from "../plan/index.ts";
import type { SpecMount } from "../spec/index.ts";
import { idMapEntries } from "./id-maps.ts";

const PROPAGATIONS = new Set([
  "private",
  "rprivate",
  "shared",
  "rshared",
  "slave",
  "rslave",
  "unbindable",
  "runbindable",
]);

/** Options of mount(8) that are attributes of the mount rather than of the file system. */
const ATTRIBUTES: Readonly<Record<string, MountAttributes>> = {
  ro: { readonly: true },
  rw: { readonly: false },
  rro: { readonly: true, recursive: true },
  nosuid: { nosuid: true },
  suid: { nosuid: false },
  nodev: { nodev: true },
  dev: { nodev: false },
  noexec: { noexec: true },
  exec: { noexec: false },
  noatime: { noatime: true },
  atime: { noatime: false },
  relatime: {},
  norelatime: {},
  strictatime: { strictatime: true },
  nostrictatime: { strictatime: false },
  nodiratime: { nodiratime: true },
  diratime: { nodiratime: false },
  nosymfollow: { nosymfollow: true },
  symfollow: { nosymfollow: false },
  rrw: { readonly: false, recursive: true },
  rnosuid: { nosuid: true, recursive: true },
  rsuid: { nosuid: false, recursive: true },
  rnodev: { nodev: true, recursive: true },
  rdev: { nodev: false, recursive: true },
  rnoexec: { noexec: true, recursive: true },
  rexec: { noexec: false, recursive: true },
  rnoatime: { noatime: true, recursive: true },
  ratime: { noatime: false, recursive: true },
  rrelatime: { recursive: true },
  rstrictatime: { strictatime: true, recursive: true },
  rnodiratime: { nodiratime: true, recursive: true },
  rdiratime: { nodiratime: false, recursive: true },
  rnosymfollow: { nosymfollow: true, recursive: true },
  rsymfollow: { nosymfollow: false, recursive: true },
};

/** What is so anyway. */
const WITHOUT_EFFECT = new Set(["defaults", "async", "loud", "nomand", "nolazytime", "noiversion"]);

/** All words that are flags here; others are given to the file system. */
export const MOUNT_OPTIONS: readonly string[] = [
  ...Object.keys(ATTRIBUTES),
  ...PROPAGATIONS,
  ...WITHOUT_EFFECT,
  "bind",
  "rbind",
  "copy-up",
  "tmpcopyup",
].sort();

/** One mount of the OCI specification as an operation; words that are no flags go to the file system as data. */
export function compileMount(mount: SpecMount): Operation {
  const { destination, type, source, options, namespace, subpath } = mount;
  if (namespace !== undefined) return { op: "mount-from-namespace", namespace, source, target: destination };
  let attributes: MountAttributes = {};
  let propagation: Propagation | undefined;
  let recursive = false;
  let isBind = type === "bind";
  let copyUp = false;
  const data: string[] = [];
  for (const option of options) {
    const attribute = ATTRIBUTES[option];
    if (attribute !== undefined) attributes = { ...attributes, ...attribute };
    else if (PROPAGATIONS.has(option)) propagation = option as Propagation;
    else if (option === "bind") isBind = true;
    else if (option === "rbind") recursive = isBind = true;
    else if (option === "copy-up" || option === "tmpcopyup") copyUp = true;
    else if (option === "remount" || option === "idmap" || option === "ridmap")
      throw unsupported(`mount option ${option} of ${destination} is not supported`);
    else if (WITHOUT_EFFECT.has(option)) continue;
    else data.push(option);
  }
  if (isBind) {
    return {
      op: "bind",
      source,
      target: destination,
      recursive,
      attributes,
      copyUp,
      ...(subpath === undefined ? {} : { subpath }),
      ...ownersOf(mount),
      ...(propagation === undefined ? {} : { propagation }),
    };
  }
  if (type === "overlay" && subpath !== undefined) {
    const lower = data.map((option) => option.replace(/^lowerdir\+=/, ""));
    return { op: "union-path", lower, path: subpath, target: destination, attributes };
  }
  if (copyUp && type === "tmpfs")
    return { op: "tmpfs-copy-up", target: destination, attributes, data: data.join(",") };
  return { op: "mount", fstype: type, source, target: destination, attributes, data: data.join(",") };
}

function ownersOf({ uidMappings, gidMappings }: SpecMount) {
  if (uidMappings === undefined || gidMappings === undefined) return {};
  return { owners: { uids: idMapEntries(uidMappings), gids: idMapEntries(gidMappings) } };
}

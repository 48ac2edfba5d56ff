import type { MountAttributes, NamespaceKind, Propagation } from "./operations.ts";

/** CLONE_NEW* of clone(2). */
export const NAMESPACE_FLAGS: Readonly<Record<NamespaceKind, number>> = {
  time: 0x80,
  mount: 0x20000,
  cgroup: 0x2000000,
  uts: 0x4000000,
  ipc: 0x8000000,
  user: 0x10000000,
  pid: 0x20000000,
  net: 0x40000000,
};

const MS_REC = 0x4000;
const MS_UNBINDABLE = 1 << 17;
const MS_PRIVATE = 1 << 18;
const MS_SLAVE = 1 << 19;
const MS_SHARED = 1 << 20;

/** MS_* of mount(2). */
export const PROPAGATION_FLAGS: Readonly<Record<Propagation, number>> = {
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE | MS_REC,
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
};

/** "CLONE_NEWPID" of its bit. */
export function namespaceFlagName(flag: bigint): string {
  const kind = Object.entries(NAMESPACE_FLAGS).find(([, bit]) => BigInt(bit) === flag)?.[0] ?? "?";
  return `CLONE_NEW${kind === "mount" ? "NS" : kind.toUpperCase()}`;
}

/** "MS_REC | MS_PRIVATE" of the bits. */
export function propagationName(flags: bigint): string {
  const name = Object.entries(PROPAGATION_FLAGS).find(([, bits]) => BigInt(bits) === flags)?.[0] ?? "?";
  const words: Readonly<Record<string, string>> = {
    private: "MS_PRIVATE",
    shared: "MS_SHARED",
    slave: "MS_SLAVE",
    unbindable: "MS_UNBINDABLE",
  };
  const word = words[name] ?? words[name.slice(1)] ?? name;
  return words[name] === undefined ? `MS_REC | ${word}` : word;
}

const ATTRIBUTE_NAMES: readonly (readonly [bit: bigint, name: string])[] = [
  [0x1n, "RDONLY"],
  [0x2n, "NOSUID"],
  [0x4n, "NODEV"],
  [0x8n, "NOEXEC"],
  [0x10n, "NOATIME"],
  [0x20n, "STRICTATIME"],
  [0x80n, "NODIRATIME"],
  [0x200000n, "NOSYMFOLLOW"],
];

/** "MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV" of the bits; "0" for none. */
export function attributeNames(bits: bigint): string {
  const names = ATTRIBUTE_NAMES.filter(([bit]) => (bits & bit) !== 0n).map(
    ([, name]) => `MOUNT_ATTR_${name}`,
  );
  return names.length === 0 ? "0" : names.join(" | ");
}

/** MOUNT_ATTR_* of mount_setattr(2). */
export function mountAttributes(attributes: MountAttributes): number {
  return (
    (attributes.readonly ? 0x1 : 0) |
    (attributes.nosuid ? 0x2 : 0) |
    (attributes.nodev ? 0x4 : 0) |
    (attributes.noexec ? 0x8 : 0) |
    (attributes.noatime ? 0x10 : 0) |
    (attributes.strictatime ? 0x20 : 0) |
    (attributes.nodiratime ? 0x80 : 0) |
    (attributes.nosymfollow ? 0x200000 : 0)
  );
}

/** Ours, not the kernel's: the attributes hold for everything below the mount as well. */
export const ATTRIBUTE_RECURSIVE = 1n << 63n;

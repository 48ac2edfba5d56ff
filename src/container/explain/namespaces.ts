import { readlinkSync } from "node:fs";
import { errnoOf } from "../../errors/index.ts";
import type { DecodedPlan } from "../../runtime/index.ts";
import type { ExplainedNamespace } from "../../wire/index.ts";

/** Files of /proc/PID/ns with the flags of clone(2) (namespaces(7)). */
const KINDS = [
  ["mnt", "CLONE_NEWNS", 0x20000n],
  ["pid", "CLONE_NEWPID", 0x20000000n],
  ["net", "CLONE_NEWNET", 0x40000000n],
  ["uts", "CLONE_NEWUTS", 0x4000000n],
  ["ipc", "CLONE_NEWIPC", 0x8000000n],
  ["user", "CLONE_NEWUSER", 0x10000000n],
  ["cgroup", "CLONE_NEWCGROUP", 0x2000000n],
  ["time", "CLONE_NEWTIME", 0x80n],
] as const;

/** The namespaces that a process is in, and which of the others are in the same. */
export function namespacesOf(
  pid: number,
  others: readonly { readonly name: string; readonly pid: number }[],
): ExplainedNamespace[] {
  return KINDS.flatMap(([kind, flag]): ExplainedNamespace[] => {
    const inode = inodeOf(pid, kind);
    if (inode === undefined) return [];
    const isHosts = inode === inodeOf("self", kind);
    const sharers = isHosts ? [] : others.filter((other) => inodeOf(other.pid, kind) === inode);
    return [
      {
        Kind: kind,
        Flag: flag,
        Sharing: isHosts ? "host" : sharers.length > 0 ? "container" : "own",
        With: sharers.map(({ name }) => name),
        Inode: inode,
      },
    ];
  });
}

/** Those that a plan would make. `donors` names the containers of "container:" modes by kind. */
export function plannedNamespaces(
  { operations }: DecodedPlan,
  donors: Readonly<Record<string, string>>,
): ExplainedNamespace[] {
  return KINDS.map(([kind, flag, bit]): ExplainedNamespace => {
    const isNew = operations.some(({ op, fields }) => op === "namespace-new" && fields.kind === bit);
    const isJoined = operations.some(({ op, fields }) => op === "namespace-join" && fields.kind === bit);
    const donor = donors[kind];
    return {
      Kind: kind,
      Flag: flag,
      Sharing: isNew ? "own" : isJoined ? "container" : "host",
      With: isJoined && donor !== undefined ? [donor] : [],
      Inode: 0,
    };
  });
}

/** "pid:[4026531836]" names a namespace. undefined where the kernel has none of the kind, or the process is gone. */
function inodeOf(pid: number | "self", kind: string): number | undefined {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${kind}`))?.[1]);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ESRCH") return undefined;
    throw error;
  }
}

import { readlinkSync } from "node:fs";
import { errnoOf } from "../../errors/index.ts";
import { namespaceFile } from "../../runtime/compile/index.ts";
import type { Spec } from "../../runtime/spec/index.ts";
import type { ExplainedNamespace } from "../../wire/index.ts";

/** Files of /proc/PID/ns with the flags of clone(2) (namespaces(7)). */
const KINDS = [
  ["mnt", "CLONE_NEWNS"],
  ["pid", "CLONE_NEWPID"],
  ["net", "CLONE_NEWNET"],
  ["uts", "CLONE_NEWUTS"],
  ["ipc", "CLONE_NEWIPC"],
  ["user", "CLONE_NEWUSER"],
  ["cgroup", "CLONE_NEWCGROUP"],
  ["time", "CLONE_NEWTIME"],
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

/** Those that a container would get. `donors` names the containers of "container:" modes by kind. */
export function plannedNamespaces(
  { linux }: Spec,
  donors: Readonly<Record<string, string>>,
): ExplainedNamespace[] {
  return KINDS.map(([kind, flag]): ExplainedNamespace => {
    const namespace = linux.namespaces.find(({ type }) => namespaceFile(type) === kind);
    const donor = donors[kind];
    const isJoined = namespace?.path !== undefined;
    return {
      Kind: kind,
      Flag: flag,
      Sharing: namespace === undefined ? "host" : isJoined ? "container" : "own",
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

import { readFileSync } from "node:fs";
import { ALL_CAPABILITIES, capabilityNames } from "../../runtime/capability/index.ts";
import type { ExplainedMount } from "../../wire/index.ts";

/** The mounts that a process sees (proc_pid_mountinfo(5)); the first is its root. */
export function mountsSeenBy(pid: number): ExplainedMount[] {
  return readFileSync(`/proc/${pid}/mountinfo`, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const [, , , root = "", target = "", options = ""] = before.split(" ");
      const [type = "", source = "", ownOptions = ""] = after.split(" ");
      return {
        Target: unescaped(target),
        Type: type,
        // A bind is told by the part of its file system that it shows.
        Source: root === "/" ? unescaped(source) : unescaped(root),
        Options: `${options};${ownOptions}`,
      };
    });
}

/** Blanks and the like are written in octal. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

export interface ProcessRights {
  readonly user: string;
  readonly kept: string[];
  readonly noNewPrivileges: boolean;
  readonly isFiltered: boolean;
}

/** What a process may do, as the kernel has it (proc_pid_status(5)). */
export function rightsOf(pid: number): ProcessRights {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const value = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
  const first = (name: string): string => value(name).split("\t")[0] ?? "";
  return {
    user: `${first("Uid")}:${first("Gid")}`,
    kept: capabilityNames(BigInt(`0x${value("CapBnd") || "0"}`)),
    noNewPrivileges: value("NoNewPrivs") === "1",
    isFiltered: value("Seccomp") === "2",
  };
}

export const droppedOf = (kept: readonly string[]): string[] =>
  ALL_CAPABILITIES.filter((name) => !kept.includes(name));

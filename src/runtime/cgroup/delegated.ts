import { accessSync, constants, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path/posix";
import { errnoOf } from "../../errors/index.ts";
import { type CgroupLayout, controllersOf } from "./layout.ts";

/**
 * A group of version 2 that is this user's to divide (cgroups(7), "Delegation of a hierarchy to a less privileged user"): the
 * folder is his, and so are the files that move processes and hand controllers down.
 */
export interface DelegatedGroup {
  /** Below the hierarchy's root. */
  readonly path: string;
  readonly controllers: ReadonlySet<string>;
}

/** What hands controllers down has no processes of its own (cgroups(7), "no internal processes"), so the daemon is in this group. */
const daemonGroup = (base: string, name: string): string => join(base, `${name}-daemon`);

/**
 * The nearest delegated group of a process in `own` that nobody else is in, or why there is none, as words that follow
 * "this user".
 */
export function findDelegated(
  layout: CgroupLayout,
  own: string,
  legacyGroups = readFileSync("/proc/self/cgroup", "utf8"),
): DelegatedGroup | { readonly why: string } {
  let busy: string | undefined;
  for (
    let path = own;
    layout.unified !== undefined && path !== "";
    path = path === "/" ? "" : dirname(path)
  ) {
    const folder = join(layout.unified, path);
    if (!["", "cgroup.procs", "cgroup.subtree_control"].every((file) => isWritable(join(folder, file))))
      break;
    const controllers = controllersOf(folder);
    if (controllers.size === 0) break;
    const others = processesIn(folder).filter((pid) => pid !== process.pid);
    if (others.length === 0) return { path, controllers };
    busy ??= path;
  }
  if (busy !== undefined)
    return {
      why: `has the control group ${busy}, but other programs in it: the daemon needs one of its own below it`,
    };
  const legacy = givenLegacy(layout, legacyGroups);
  return {
    why:
      legacy === undefined
        ? "has been given no control group of version 2"
        : `has been given the control group ${legacy} of version 1, where only one of version 2 is safe to use`,
  };
}

/** Put this process where the daemon of a delegated group is to be. */
export function enterDelegated({ unified = "" }: CgroupLayout, { path }: DelegatedGroup, name: string): void {
  const folder = join(unified, daemonGroup(path, name));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "cgroup.procs"), String(process.pid));
}

/** The delegated group whose daemon this process is, if it is one. */
export function delegatedTo(
  { unified }: CgroupLayout,
  own: string,
  name: string,
): DelegatedGroup | undefined {
  const path = dirname(own);
  if (unified === undefined || basename(own) !== basename(daemonGroup(path, name))) return undefined;
  return { path, controllers: controllersOf(join(unified, path)) };
}

/** Give the group back as it was: no controllers handed down, and the processes in it itself. */
export function leaveDelegated(
  { unified = "" }: CgroupLayout,
  { path, controllers }: DelegatedGroup,
  name: string,
): void {
  const folder = join(unified, path);
  const leaf = join(unified, daemonGroup(path, name));
  try {
    const words = [...controllers].map((controller) => `-${controller}`);
    writeFileSync(join(folder, "cgroup.subtree_control"), words.join(" "));
    for (const pid of processesIn(leaf)) writeFileSync(join(folder, "cgroup.procs"), String(pid));
    rmdirSync(leaf);
  } catch (error) {
    // Another engine of this user divides the same group.
    if (errnoOf(error) !== "EBUSY") throw error;
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function processesIn(folder: string): number[] {
  const text = readFileSync(join(folder, "cgroup.procs"), "utf8");
  return text.split("\n").filter(Boolean).map(Number);
}

/** A group of version 1 that is this user's; "4:memory:/GROUP" lines of proc(5). */
function givenLegacy({ legacy }: CgroupLayout, groups: string): string | undefined {
  for (const line of groups.split("\n")) {
    const [, , names = "", path = ""] = /^(\d+):([^:]+):(.*)$/.exec(line) ?? [];
    const root = legacy.get(names.split(",")[0] ?? "");
    if (root !== undefined && path !== "/" && isWritable(join(root, path, "cgroup.procs")))
      return join(root, path);
  }
  return undefined;
}

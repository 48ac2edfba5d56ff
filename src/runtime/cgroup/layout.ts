import { readFileSync } from "node:fs";
import { join } from "node:path";

/** How the control groups of this machine are mounted: which controller is where. */
export interface CgroupLayout {
  /** Folder of the version 2 hierarchy, when there is one (the only one, or beside version 1). */
  readonly unified: string | undefined;
  /** Controllers that version 2 serves. */
  readonly unifiedControllers: ReadonlySet<string>;
  /** Version 1 hierarchies: mount folder by controller ("memory"); named ones as "name=systemd". One folder may serve several. */
  readonly legacy: ReadonlyMap<string, string>;
  /** Whether devices can be let through and kept back; true when absent. */
  readonly filtersDevices?: boolean;
}

/** From /proc/self/mountinfo (proc_pid_mountinfo(5)) and the cgroup.controllers file of version 2. */
export function readCgroupLayout(mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): CgroupLayout {
  const legacy = new Map<string, string>();
  let unified: string | undefined;
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, folder = ""] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    // A bind mount of a part of a hierarchy is no place to make groups in.
    if (root !== "/" || folder === "") continue;
    if (type === "cgroup2") unified ??= folder;
    if (type === "cgroup") {
      for (const option of options.split(","))
        if (!GENERIC.has(option) && !legacy.has(option)) legacy.set(option, folder);
    }
  }
  return { unified, unifiedControllers: unified === undefined ? new Set() : controllersOf(unified), legacy };
}

/** Super block options that are no controllers. */
const GENERIC = new Set([
  "rw",
  "ro",
  "none",
  "xattr",
  "noprefix",
  "clone_children",
  "nsdelegate",
  "favordynmods",
  "memory_recursiveprot",
]);

/** What a group of version 2 can limit. */
export function controllersOf(folder: string): Set<string> {
  const text = readFileSync(`${folder}/cgroup.controllers`, "utf8").trim();
  return new Set(text === "" ? [] : text.split(" "));
}

/** Whether there is any hierarchy to make groups in. */
export const hasGroups = ({ unified, legacy }: CgroupLayout): boolean =>
  unified !== undefined || legacy.size > 0;

/** "2" where version 2 alone is mounted, as Docker's info says. */
export const cgroupVersion = (layout: CgroupLayout): "1" | "2" => (layout.legacy.size === 0 ? "2" : "1");

export interface CgroupFolder {
  readonly folder: string;
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
}

/** The folders of one group ("/gantry/ID") in all hierarchies. */
export function foldersOf(layout: CgroupLayout, path: string): CgroupFolder[] {
  const byFolder = new Map<string, string[]>();
  for (const [controller, folder] of layout.legacy)
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), controller]);
  const legacy = [...byFolder].map(
    ([folder, controllers]): CgroupFolder => ({
      folder: join(folder, path),
      version: 1,
      controllers,
    }),
  );
  if (layout.unified === undefined) return legacy;
  return [
    ...legacy,
    { folder: join(layout.unified, path), version: 2, controllers: [...layout.unifiedControllers] },
  ];
}

/** The group's folder where a version 1 controller is, or undefined when version 2 has it (or nobody). */
export function legacyFolder(layout: CgroupLayout, path: string, controller: string): string | undefined {
  const root = layout.legacy.get(controller);
  return root === undefined ? undefined : join(root, path);
}

/** The group's folder in version 2. */
export const unifiedFolder = (layout: CgroupLayout, path: string): string | undefined =>
  layout.unified === undefined ? undefined : join(layout.unified, path);

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../errors/index.ts";
import type { Operation } from "../plan/index.ts";
import type { LinuxResources } from "../spec/index.ts";
import { deviceProgram } from "./device-program.ts";
import { type CgroupLayout, foldersOf } from "./layout.ts";
import { type LimitFile, legacyLimits, unifiedLimits } from "./limits.ts";

export interface CgroupRequest {
  readonly layout: CgroupLayout;
  /** Path below every hierarchy's root, such as "/gantry/ID". */
  readonly path: string;
  readonly resources: LinuxResources;
}

/** Make the group, set its limits, put the process in, and watch for out-of-memory kills. */
export function cgroupOperations({ layout, path, resources }: CgroupRequest): Operation[] {
  const operations: Operation[] = [];
  const joins: Operation[] = [];
  for (const { folder, version, controllers } of foldersOf(layout, path)) {
    operations.push({ op: "cgroup-create", path: folder, version });
    if (version === 1 && controllers.includes("cpuset"))
      operations.push(...inheritCpuset(layout, path, resources));
    const limits = controllers.flatMap((name) =>
      version === 1 ? legacyLimits(name, resources) : unifiedLimits(name, resources),
    );
    operations.push(...limits.map((limit) => writeLimit(folder, limit)));
    const filters = version === 2 && !layout.legacy.has("devices") && layout.filtersDevices !== false;
    if (filters && resources.devices !== undefined)
      operations.push({ op: "device-filter", group: folder, program: deviceProgram(resources.devices) });
    joins.push({ op: "cgroup-join", path: folder, version });
  }
  return [...operations, ...oomWatch(layout, path), ...joins];
}

/** Only the joins: one more process into a group that exists. */
export function cgroupJoins(layout: CgroupLayout, path: string): Operation[] {
  return foldersOf(layout, path).map(({ folder, version }) => ({ op: "cgroup-join", path: folder, version }));
}

const writeLimit = (folder: string, { file, data, optional }: LimitFile): Operation => ({
  op: "write-file",
  path: join(folder, file),
  data,
  optional,
});

/** A version 1 cpuset begins empty, and nothing can run in an empty one: what is not limited is copied from the parent. */
function inheritCpuset(layout: CgroupLayout, path: string, resources: LinuxResources): Operation[] {
  const root = layout.legacy.get("cpuset") ?? "";
  const read = (file: string) =>
    readFileSync(join(nearest(join(root, path, ".."), root), file), "utf8").trim();
  const copies: [string, string][] = [];
  if (!resources.cpu?.cpus) copies.push(["cpuset.cpus", read("cpuset.cpus")]);
  if (!resources.cpu?.mems) copies.push(["cpuset.mems", read("cpuset.mems")]);
  return copies.map(([file, data]) => writeLimit(join(root, path), { file, data, optional: false }));
}

/** The group itself, or the nearest above it that is there: the groups of a plan that is only looked at are not made. */
function nearest(folder: string, root: string): string {
  return folder === root || existsSync(folder) ? folder : nearest(join(folder, ".."), root);
}

/** Where kills for want of memory are counted. */
export function oomWatch(layout: CgroupLayout, path: string): Operation[] {
  const memory = layout.legacy.get("memory");
  if (memory !== undefined)
    return [{ op: "oom-watch", path: join(memory, path, "memory.oom_control"), version: 1 }];
  if (layout.unified === undefined || !layout.unifiedControllers.has("memory")) return [];
  return [{ op: "oom-watch", path: join(layout.unified, path, "memory.events"), version: 2 }];
}

/**
 * The engine's own group in all hierarchies, parent of its containers': on version 1 with the whole cpuset, on version
 * 2 with every controller handed down. Safe to repeat.
 */
export function prepareCgroupParent(layout: CgroupLayout, parent: string): void {
  for (const { folder, version, controllers } of foldersOf(layout, parent)) {
    mkdirSync(folder, { recursive: true });
    if (version === 2 && layout.legacy.size === 0)
      enableControllers(layout.unified ?? "", parent, controllers);
    if (version === 1 && controllers.includes("cpuset"))
      fillCpuset(layout.legacy.get("cpuset") ?? "", parent);
  }
}

function* ancestors(path: string): Generator<string> {
  const names = path.split("/").filter((name) => name !== "");
  for (let depth = 0; depth <= names.length; depth++) yield names.slice(0, depth).join("/");
}

function enableControllers(root: string, path: string, controllers: readonly string[]): void {
  if (controllers.length === 0) return;
  for (const group of ancestors(path)) {
    for (const controller of controllers) {
      try {
        writeFileSync(join(root, group, "cgroup.subtree_control"), `+${controller}`);
      } catch (error) {
        // Refused where processes live in a group that is not the root, and to a user above what is his; limits then report
        // themselves missing.
        const code = errnoOf(error) ?? "";
        if (!["EBUSY", "ENOENT", "EACCES"].includes(code)) throw error;
      }
    }
  }
}

function fillCpuset(root: string, path: string): void {
  for (const group of ancestors(path)) {
    if (group === "") continue;
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      const here = join(root, group, file);
      if (readFileSync(here, "utf8").trim() === "")
        writeFileSync(here, readFileSync(join(root, group, "..", file), "utf8").trim());
    }
  }
}

/** Remove the engine's own group where it is empty; containers' groups went with them. */
export function removeCgroupParent(layout: CgroupLayout, parent: string): void {
  for (const { folder } of foldersOf(layout, parent)) {
    try {
      rmdirSync(folder);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "EBUSY") throw error;
    }
  }
}

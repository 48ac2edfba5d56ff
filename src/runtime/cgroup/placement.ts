import { join, normalize } from "node:path/posix";
import type { LinuxResources } from "../spec/index.ts";
import { type CgroupLayout, hasGroups } from "./layout.ts";
import { prepareCgroupParent } from "./operations.ts";
import { giveRealtime, type RealtimeBudget } from "./realtime.ts";

/** A unit of systemd(1) that has a container's group: "SLICE" has "PREFIX-NAME.scope". */
export interface ScopeName {
  readonly slice: string;
  readonly prefix: string;
  readonly name: string;
}

/** Where containers' control groups are, and who makes them. */
export interface CgroupPlacement {
  /** As Docker's info names it. */
  readonly driver: "cgroupfs" | "systemd" | "none";
  /** The group of a container below every hierarchy's root; `parent` is what --cgroup-parent says, "" for the default. Throws invalid. */
  pathOf(id: string, parent: string): string;
  /** What is above a container's group is there from then on. */
  prepare(parent: string): void;
  /** The unit that is to be started for it; undefined where the shim makes the group. */
  scopeOf(id: string, parent: string): ScopeName | undefined;
  /** Tell whoever else keeps the limits of a running container that they change. */
  update(id: string, resources: LinuxResources): Promise<void>;
}

/**
 * The engine makes the groups itself, below one of its own (such as "/gantry"), which exists. Other parents are below `root`, that
 * of the hierarchies unless told; they get the same real-time budget as its own.
 */
export function cgroupfsPlacement(
  layout: CgroupLayout,
  own: string,
  { root = "/", realtime }: { root?: string; realtime?: RealtimeBudget | undefined } = {},
): CgroupPlacement {
  const folderOf = (parent: string) => (parent === "" ? own : join(root, normalize(`/${parent}`)));
  return {
    driver: hasGroups(layout) ? "cgroupfs" : "none",
    pathOf: (id, parent) => `${folderOf(parent)}/${id}`,
    prepare(parent) {
      if (parent === "") return;
      prepareCgroupParent(layout, folderOf(parent));
      if (realtime !== undefined) giveRealtime(layout, folderOf(parent), realtime);
    },
    scopeOf: () => undefined,
    update: async () => {},
  };
}

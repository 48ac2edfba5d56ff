import {
  type CgroupLayout,
  type ControlGroup,
  cgroupOperations,
  cgroupVersion,
  controlGroup,
  hasGroups,
  type LimitSupport,
  limitSupport,
} from "../runtime/cgroup/index.ts";
import type { LinuxResources } from "../runtime/spec/index.ts";
import type { ContainerRecord } from "./record.ts";
import { cgroupPathOf } from "./spec/index.ts";

/** The control groups of containers. */
export interface ContainerGroups {
  readonly version: "1" | "2";
  readonly support: LimitSupport;
  /** Whether there are any: an engine of an ordinary user may have none. */
  readonly exist: boolean;
  /** That of a running container. */
  of(record: ContainerRecord): ControlGroup;
  /** The files that a start would write, and what into them. */
  planned(record: ContainerRecord, resources: LinuxResources): { path: string; data: string }[];
}

/** `cgroupParent` exists already: see prepareCgroupParent. */
export function createContainerGroups(layout: CgroupLayout, cgroupParent: string): ContainerGroups {
  return {
    version: cgroupVersion(layout),
    exist: hasGroups(layout),
    support: limitSupport(layout, cgroupParent),
    planned: (record, resources) =>
      cgroupOperations({ layout, path: cgroupPathOf({ record, cgroupParent }), resources }).flatMap(
        (operation) => (operation.op === "write-file" ? [operation] : []),
      ),
    of: (record) => controlGroup(layout, cgroupPathOf({ record, cgroupParent })),
  };
}

import {
  type CgroupLayout,
  type ControlGroup,
  cgroupVersion,
  controlGroup,
  type LimitSupport,
  limitSupport,
} from "../runtime/cgroup/index.ts";
import type { ContainerRecord } from "./record.ts";
import { cgroupPathOf } from "./spec/index.ts";

/** The control groups of containers. */
export interface ContainerGroups {
  readonly version: "1" | "2";
  readonly support: LimitSupport;
  /** That of a running container. */
  of(record: ContainerRecord): ControlGroup;
}

/** `cgroupParent` exists already: see prepareCgroupParent. */
export function createContainerGroups(layout: CgroupLayout, cgroupParent: string): ContainerGroups {
  return {
    version: cgroupVersion(layout),
    support: limitSupport(layout, cgroupParent),
    of: (record) => controlGroup(layout, cgroupPathOf({ record, cgroupParent })),
  };
}

import {
  type CgroupLayout,
  type CgroupPlacement,
  type ControlGroup,
  cgroupOperations,
  cgroupVersion,
  controlGroup,
  hasGroups,
  type LimitSupport,
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
  /** Change limits of a running container; those not given stay. Throws invalid for what the kernel refuses. */
  update(record: ContainerRecord, resources: LinuxResources): Promise<void>;
  /** Throws invalid for a --cgroup-parent that cannot be. */
  checkParent(parent: string): void;
}

export interface ContainerGroupsOptions {
  readonly layout: CgroupLayout;
  readonly placement: CgroupPlacement;
  readonly support: LimitSupport;
}

export function createContainerGroups(options: ContainerGroupsOptions): ContainerGroups {
  const { layout, placement, support } = options;
  const of = (record: ContainerRecord) => controlGroup(layout, cgroupPathOf({ record, placement }));
  return {
    version: cgroupVersion(layout),
    exist: hasGroups(layout),
    support,
    planned: (record, resources) =>
      cgroupOperations({ layout, path: cgroupPathOf({ record, placement }), resources }).flatMap(
        (operation) => (operation.op === "write-file" ? [operation] : []),
      ),
    of,
    async update(record, resources) {
      of(record).apply(resources);
      await placement.update(record.id, resources);
    },
    checkParent(parent) {
      placement.pathOf("", parent);
    },
  };
}

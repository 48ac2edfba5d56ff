import type { LaunchOptions, LaunchPlan, Operation } from "../runtime/index.ts";
import type { Verdicts } from "../runtime/seccomp/index.ts";
import type { Spec, SpecMount } from "../runtime/spec/index.ts";
import type { SnapshotMount } from "../snapshot/index.ts";
import type { ExecConfig } from "../wire/index.ts";
import type { ContainerRecord } from "./record.ts";

/** Namespaces of other containers that this one joins (`container:` modes): files such as /proc/PID/ns/net. */
export interface JoinedNamespaces {
  readonly network?: string;
  readonly pid?: string;
  readonly ipc?: string;
  /** The user namespace that those belong to. */
  readonly user?: string;
  /** Of the container whose IPC namespace is joined: its /dev/shm comes along. */
  readonly shm?: string;
}

export interface ContainerFiles {
  readonly resolvConf: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly log: string;
}

export interface LaunchRequest {
  readonly record: ContainerRecord;
  readonly networkOperations: readonly Operation[];
  readonly joined: JoinedNamespaces;
  /** Variables that its links give to it; its own are stronger. */
  readonly linked: readonly string[];
  /** Host paths of the container's generated files. */
  readonly files: ContainerFiles;
  /** The tree to run in, instead of the container's own snapshot. */
  readonly tree?: SnapshotMount;
  /** Only to be looked at: nothing is to be made for it. */
  readonly isPreview?: boolean;
  /** Mounts beside the container's own, after them. */
  readonly mounts?: readonly SpecMount[];
}

/** How a container's files are put together, without what the engine mounts for its processes. */
export interface ContainerView {
  readonly operations: readonly Operation[];
  /** The control group that all its processes are in or below. */
  readonly group: string;
}

export interface PlannedLaunch {
  readonly plan: LaunchPlan;
  /** What the launch of it needs besides. */
  readonly how: LaunchOptions;
}

export interface ContainerRights {
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** undefined without a filter. */
  readonly seccomp: Verdicts | undefined;
}

/** From a container to the plan that makes it. Policy that needs the machine's facts (cgroup layout, seccomp cache) lives behind it. */
export interface LaunchPlanner {
  plan(request: LaunchRequest): Promise<PlannedLaunch & { spec: Spec; warnings: readonly string[] }>;
  /** What its processes may do. Throws invalid for a profile that is none. */
  rights(record: ContainerRecord): ContainerRights;
  /** The folder below every image. */
  readonly baseLayer: string;
  /** The folders of its root alone, with what lies below every image. */
  root(id: string): SnapshotMount;
  view(record: ContainerRecord, files: ContainerFiles): ContainerView;
  /** One more process, the exec `id`, in a running container whose first process is `pid`. */
  planExec(
    record: ContainerRecord,
    pid: number,
    id: string,
    exec: ExecConfig,
    linked: readonly string[],
  ): Promise<PlannedLaunch>;
}

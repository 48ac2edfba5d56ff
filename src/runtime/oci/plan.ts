import { invalid } from "../../errors/index.ts";
import { type CgroupLayout, cgroupJoins, cgroupMounts, cgroupOperations } from "../cgroup/index.ts";
import {
  mountOperations,
  namespaceFile,
  namespaceOperations,
  processOperations,
  rightsOperations,
} from "../compile/index.ts";
import type { Operation, PlanHook, PlanUser } from "../plan/index.ts";
import { DEFAULT_DEVICE_RULES, DEFAULT_DEVICES, type LinuxResources, type SpecMount } from "../spec/index.ts";
import type { BundleConfig, BundleProcess, Hook } from "./config.ts";

/** How the process gets its stdio and the word to start. */
export interface Handover {
  /** Descriptors passed on beyond stdio. */
  readonly preserved: number;
  /** Who takes the terminal's master; undefined: the shim. */
  readonly consoleSocket: string | undefined;
  /** The socket that the start comes over, when the shim does not stay. */
  readonly startSocket: string | undefined;
  /** Name of the session keyring; undefined keeps the caller's. */
  readonly keyring: string | undefined;
}

export interface CompiledFilter {
  readonly program: Uint8Array;
  readonly flags: number;
}

export interface BundlePlanInput {
  readonly config: BundleConfig;
  readonly process: BundleProcess;
  readonly layout: CgroupLayout;
  readonly cgroupPath: string;
  readonly handover: Handover;
  readonly seccomp: CompiledFilter | undefined;
  /** Stdin of hooks at a stage, with room for the id of the process (OCI runtime-spec, runtime.md, state). */
  readonly hookState: (status: "creating" | "created") => Pick<PlanHook, "state" | "pidOffset">;
}

/** The operations that make a bundle's container, in the order that the specification's life cycle has. */
export function compileBundle(input: BundlePlanInput): Operation[] {
  const { config, process, layout, cgroupPath } = input;
  const ownUser = config.namespaces.find(({ type }) => type === "user");
  return [
    ...handoverOperations(process, input.handover),
    ...namespaceOperations({ namespaces: [...config.namespaces] }),
    ...(ownUser !== undefined && ownUser.path === undefined
      ? [
          {
            op: "id-map" as const,
            uids: config.uidMappings,
            gids: config.gidMappings,
            allowSetgroups: true,
          },
        ]
      : []),
    ...cgroupOperations({ layout, path: cgroupPath, resources: withDefaultDevices(config.resources) }),
    ...timeOperations(config),
    { op: "mount-propagation", propagation: treePropagation(config) },
    { op: "rootfs-bind", source: config.root.path },
    ...mountOperations(mountsOf(input), [...DEFAULT_DEVICES, ...config.devices]),
    ...(process.terminal ? [{ op: "console" as const }] : []),
    ...(config.hooks.prestart.length + config.hooks.createRuntime.length > 0
      ? [{ op: "runtime-hooks" as const }]
      : []),
    ...hookOperations(config.hooks.createContainer, "now", input.hookState("creating")),
    { op: "pivot-root" },
    ...(config.rootfsPropagation === ""
      ? []
      : [{ op: "mount-propagation" as const, propagation: config.rootfsPropagation }]),
    ...(config.hostname === "" ? [] : [{ op: "hostname" as const, name: config.hostname }]),
    ...(config.domainname === "" ? [] : [{ op: "domainname" as const, name: config.domainname }]),
    ...Object.entries(config.sysctl).map(([key, value]): Operation => ({ op: "sysctl", key, value })),
    ...config.readonlyPaths.map((path): Operation => ({ op: "readonly-path", path })),
    ...config.maskedPaths.map((path): Operation => ({ op: "mask", path })),
    ...(config.root.readonly ? [{ op: "root-readonly" as const }] : []),
    ...(config.personality === undefined
      ? []
      : [{ op: "personality" as const, persona: config.personality }]),
    ...hookOperations(config.hooks.startContainer, "at-start", input.hookState("created")),
    ...programOperations(process, input.seccomp, !config.root.readonly),
  ];
}

export interface ExecPlanInput extends Pick<BundlePlanInput, "config" | "process" | "layout" | "cgroupPath"> {
  readonly handover: Handover;
  readonly seccomp: CompiledFilter | undefined;
  /** First process of the container. */
  readonly pid: number;
}

/** One more process in a container of a bundle. */
export function compileBundleExec(input: ExecPlanInput): Operation[] {
  const { config, process, pid } = input;
  const joined = config.namespaces.map(({ type }) => ({
    type,
    path: `/proc/${pid}/ns/${namespaceFile(type)}`,
  }));
  return [
    ...handoverOperations(process, input.handover),
    ...namespaceOperations({ namespaces: joined }),
    ...cgroupJoins(input.layout, input.cgroupPath),
    ...(config.personality === undefined
      ? []
      : [{ op: "personality" as const, persona: config.personality }]),
    ...programOperations(process, input.seccomp, false),
  ];
}

function handoverOperations(process: BundleProcess, handover: Handover): Operation[] {
  const { consoleSize: size, terminal } = process;
  const { preserved, consoleSocket, startSocket, keyring } = handover;
  return [
    {
      op: "stdio",
      terminal,
      stdin: true,
      stdinOnce: true,
      rows: size?.height ?? 0,
      columns: size?.width ?? 0,
    },
    ...(terminal && preserved === 0 ? [] : [{ op: "stdio-inherited" as const, more: preserved }]),
    ...(consoleSocket === undefined ? [] : [{ op: "console-socket" as const, path: consoleSocket }]),
    ...(startSocket === undefined ? [] : [{ op: "start-socket" as const, path: startSocket }]),
    ...(keyring === undefined ? [] : [{ op: "session-keyring" as const, name: keyring }]),
  ];
}

function programOperations(
  process: BundleProcess,
  seccomp: CompiledFilter | undefined,
  createCwd: boolean,
): Operation[] {
  const { uid, gid, additionalGids = [] } = process.user;
  const user: PlanUser = { by: "number", uid, gid, additionalGids };
  return [
    ...(process.scheduler === undefined ? [] : [{ op: "scheduler" as const, ...process.scheduler }]),
    ...(process.ioPriority === undefined ? [] : [{ op: "io-priority" as const, word: process.ioPriority }]),
    ...processOperations(process, createCwd),
    ...rightsOperations(process, { user, ...(seccomp === undefined ? {} : { seccomp }) }),
  ];
}

/** Devices of every container come after those of the configuration, which may have denied all before. */
function withDefaultDevices(resources: LinuxResources): LinuxResources {
  return resources.devices === undefined
    ? { ...resources, devices: [{ allow: true, rule: "a *:* rwm" }] }
    : { ...resources, devices: [...resources.devices, ...DEFAULT_DEVICE_RULES] };
}

/** Mounts of the host reach a container of the default only in one direction; "shared" is a wish for both. */
const treePropagation = ({ rootfsPropagation }: BundleConfig) =>
  rootfsPropagation === "shared" ? "rshared" : rootfsPropagation === "private" ? "rprivate" : "rslave";

function timeOperations({ timeOffsets }: BundleConfig): Operation[] {
  if (timeOffsets.length === 0) return [];
  const lines = timeOffsets.map(({ clock, secs, nanosecs }) => `${clock} ${secs} ${nanosecs}\n`).join("");
  return [{ op: "time-offsets", lines }];
}

/** The type "cgroup" means: whatever this machine has of control groups, seen from the container. */
function mountsOf({ config, layout, cgroupPath }: BundlePlanInput): SpecMount[] {
  const ownCgroupNamespace = config.namespaces.some(({ type }) => type === "cgroup");
  return config.mounts.flatMap((item) => {
    if (item.type !== "cgroup") return [item];
    if (item.destination !== "/sys/fs/cgroup")
      throw invalid(`config.json: a mount of type cgroup belongs on /sys/fs/cgroup, not ${item.destination}`);
    return cgroupMounts({ layout, cgroupPath, ownCgroupNamespace }, item.options);
  });
}

/** Hooks that the new process runs itself. */
export const hookOperations = (
  hooks: readonly Hook[],
  stage: "now" | "at-start",
  state: Pick<PlanHook, "state" | "pidOffset">,
): Operation[] => hooks.map((hook): Operation => ({ op: "hook", stage, hook: { ...hook, ...state } }));

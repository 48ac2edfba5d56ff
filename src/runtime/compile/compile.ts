import { existsSync } from "node:fs";
import { capabilityMask } from "../capability/index.ts";
import { type CgroupLayout, cgroupJoins, cgroupOperations } from "../cgroup/index.ts";
import type { LaunchPlan, NamespaceKind, Operation, PlanUser, Propagation } from "../plan/index.ts";
import type { Linux, Process, Spec, SpecMount, SpecNamespaceType } from "../spec/index.ts";
import { idMapOperations } from "./id-maps.ts";
import { compileMount } from "./mounts.ts";

/** What a launch needs beside the specification. */
export interface CompileInput {
  readonly spec: Spec;
  /** Name of the session keyring; see keyringOf. */
  readonly keyring: string;
  /** The union root's folders, or one plain folder. */
  readonly root: Operation;
  readonly network: readonly Operation[];
  readonly layout: CgroupLayout;
  readonly stdio: StdioInput;
  readonly log?: { readonly file: string; readonly maxBytes: number; readonly maxFiles: number };
  /** `--user` and `--group-add`, looked up in the new root. */
  readonly user: PlanUser;
  /** A compiled filter and flags of seccomp(2). */
  readonly seccomp?: { readonly program: Uint8Array; readonly flags: number };
  /** What the launch waits for, and what the new process runs, before it lets the old root go; and before the program. */
  readonly hooks?: { readonly beforePivot: readonly Operation[]; readonly atStart: readonly Operation[] };
  /** Run an init as the first process. */
  readonly init?: boolean;
}

export interface StdioInput {
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
}

/** Name of the session keyring of a container. */
export const keyringOf = (containerId: string): string => `_ses.${containerId}`;

const KINDS: Readonly<Record<SpecNamespaceType, NamespaceKind>> = {
  pid: "pid",
  network: "net",
  mount: "mount",
  ipc: "ipc",
  uts: "uts",
  user: "user",
  cgroup: "cgroup",
  time: "time",
};

const KERNEL_MEMORY = "/proc/kcore";
const DEVICE_LINKS: readonly [path: string, to: string][] = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
  ["/dev/core", KERNEL_MEMORY],
  ["/dev/ptmx", "pts/ptmx"],
];

/**
 * The launch plan of a container. Order matters: propagation before any mount, the root before what is mounted in it,
 * devices after /dev, the switch of roots after all host paths were used, sysctls before /proc/sys becomes read-only,
 * and the process's own rights last.
 */
export function compileLaunch(input: CompileInput): LaunchPlan {
  const { spec } = input;
  const { linux, process } = spec;
  return {
    start: "on-request",
    operations: [
      stdioOperation(process, input.stdio),
      ...(input.log === undefined ? [] : [{ op: "log-file" as const, ...input.log }]),
      ...namespaceOperations(linux),
      ...idMapOperations(linux),
      { op: "session-keyring", name: input.keyring },
      ...cgroupOperations({ layout: input.layout, path: linux.cgroupsPath, resources: linux.resources }),
      ...input.network,
      { op: "mount-propagation", propagation: linux.rootfsPropagation as Propagation },
      input.root,
      ...mountOperations(spec.mounts, linux.devices),
      ...(process.terminal ? [{ op: "console" as const }] : []),
      ...(input.hooks?.beforePivot ?? []),
      { op: "pivot-root" },
      ...(spec.hostname ? [{ op: "hostname" as const, name: spec.hostname }] : []),
      ...(spec.domainname ? [{ op: "domainname" as const, name: spec.domainname }] : []),
      ...Object.entries(linux.sysctl).map(([key, value]): Operation => ({ op: "sysctl", key, value })),
      ...linux.readonlyPaths.map((path): Operation => ({ op: "readonly-path", path })),
      ...linux.maskedPaths.map((path): Operation => ({ op: "mask", path })),
      ...processOperations(process, true),
      ...(spec.root.readonly ? [{ op: "root-readonly" as const }] : []),
      ...(input.hooks?.atStart ?? []),
      ...(input.init ? [{ op: "init" as const }] : []),
      ...rightsOperations(process, input),
    ],
  };
}

export interface CompileExecInput
  extends Pick<CompileInput, "layout" | "stdio" | "user" | "seccomp" | "keyring"> {
  readonly spec: Spec;
  readonly process: Process;
  /** First process of the container to join. */
  readonly pid: number;
}

/** The plan of one more process: the container's namespaces and control groups, its own rights. */
export function compileExec(input: CompileExecInput): LaunchPlan {
  const { spec, process, pid } = input;
  return {
    start: "on-request",
    operations: [
      stdioOperation(process, input.stdio),
      ...spec.linux.namespaces.map(
        ({ type }): Operation => ({
          op: "namespace-join",
          kind: KINDS[type],
          path: `/proc/${pid}/ns/${namespaceFile(type)}`,
        }),
      ),
      ...cgroupJoins(input.layout, spec.linux.cgroupsPath),
      { op: "session-keyring", name: input.keyring },
      ...processOperations(process, false),
      ...rightsOperations(process, input),
    ],
  };
}

/** Names of the files in /proc/PID/ns (namespaces(7)). */
export const namespaceFile = (type: SpecNamespaceType): string =>
  type === "network" ? "net" : type === "mount" ? "mnt" : type;

export function stdioOperation(
  { terminal, consoleSize }: Process,
  { stdin, stdinOnce }: StdioInput,
): Operation {
  return {
    op: "stdio",
    terminal,
    stdin,
    stdinOnce,
    rows: consoleSize?.height ?? 0,
    columns: consoleSize?.width ?? 0,
  };
}

export function namespaceOperations(linux: Pick<Linux, "namespaces">): Operation[] {
  return linux.namespaces.map(({ type, path }) =>
    path === undefined
      ? { op: "namespace-new", kind: KINDS[type] }
      : { op: "namespace-join", kind: KINDS[type], path },
  );
}

export function mountOperations(mounts: readonly SpecMount[], devices: Linux["devices"]): Operation[] {
  const isSystem = ({ destination }: SpecMount) => destination === "/dev" || destination.startsWith("/dev/");
  const hasDev = mounts.some(({ destination, type }) => destination === "/dev" && type === "tmpfs");
  const nodes = devices.map(
    ({ path, type, major, minor, fileMode, uid, gid }): Operation => ({
      op: "device",
      target: path,
      type,
      major,
      minor,
      mode: fileMode,
      uid,
      gid,
    }),
  );
  // Not every kernel shows its memory.
  const links = DEVICE_LINKS.filter(([, to]) => to !== KERNEL_MEMORY || existsSync(to)).map(
    ([target, to]): Operation => ({ op: "symlink", target, to }),
  );
  // With a /dev of the user's own its content is the user's business.
  const populate = hasDev ? [...nodes, ...links] : [];
  const lastSystem = mounts.findLastIndex((item) => isSystem(item) && item.type !== "bind");
  return mounts.flatMap((item, index) => [
    compileMount(item),
    ...(index === Math.max(lastSystem, 0) ? populate : []),
  ]);
}

/** RLIMIT_* of getrlimit(2) by number. */
const RLIMIT_NAMES = [
  "CPU",
  "FSIZE",
  "DATA",
  "STACK",
  "CORE",
  "RSS",
  "NPROC",
  "NOFILE",
  "MEMLOCK",
  "AS",
  "LOCKS",
  "SIGPENDING",
  "MSGQUEUE",
  "NICE",
  "RTPRIO",
  "RTTIME",
];

export function processOperations(process: Process, createCwd: boolean): Operation[] {
  return [
    ...process.rlimits.map(
      ({ type, soft, hard }): Operation => ({
        op: "rlimit",
        resource: RLIMIT_NAMES.indexOf(type.replace("RLIMIT_", "")),
        soft: limit(soft),
        hard: limit(hard),
      }),
    ),
    ...(process.oomScoreAdj === undefined
      ? []
      : [{ op: "oom-score-adj" as const, value: process.oomScoreAdj }]),
    { op: "working-directory", path: process.cwd, create: createCwd },
  ];
}

const RLIM_INFINITY = 2n ** 64n - 1n;
const limit = (value: number): bigint => (value < 0 ? RLIM_INFINITY : BigInt(value));

export function rightsOperations(
  process: Process,
  { user, seccomp }: Pick<CompileInput, "user" | "seccomp">,
): Operation[] {
  const { bounding, effective, permitted, inheritable, ambient } = process.capabilities;
  return [
    // Without no_new_privs only a privileged process may filter itself, so it does before it gives its rights away.
    // Everything that mounts comes before: the default profile refuses that.
    ...(seccomp !== undefined && !process.noNewPrivileges ? [{ op: "seccomp" as const, ...seccomp }] : []),
    { op: "user", user, ...(process.user.umask === undefined ? {} : { umask: process.user.umask }) },
    {
      op: "capabilities",
      bounding: capabilityMask(bounding),
      effective: capabilityMask(effective),
      permitted: capabilityMask(permitted),
      inheritable: capabilityMask(inheritable),
      ambient: capabilityMask(ambient),
    },
    ...(process.noNewPrivileges ? [{ op: "no-new-privileges" as const }] : []),
    ...(seccomp !== undefined && process.noNewPrivileges ? [{ op: "seccomp" as const, ...seccomp }] : []),
    { op: "environment", entries: process.env },
    { op: "exec", args: process.args },
  ];
}

/**
 * The launch plan: a flat, versioned list of operations that makes one container process.
 *
 * TypeScript decides (policy) and writes the list; `gantry-shim` executes it (mechanism), in the order given within
 * each of four phases, and reports a failure as the index of the operation, its opcode and the errno.
 *
 *   host       in the shim, before the new process exists        (cgroup-create, write-file, log-file, …)
 *   clone      the arguments of clone3(2) and setns(2)           (namespace-new, namespace-join, owned-network, cgroup-join of v2)
 *   link       in the shim, with the new process waiting          (id-map, netlink where=host)
 *   container  in the new process, up to its execve(2)            (everything else)
 *
 * Paths called `target`, `path` in the container phase are inside the new root and are resolved with openat2(2)
 * RESOLVE_IN_ROOT; paths called `source`, `lower`, `upper`, `work`, `file` are host paths. Of a process that enters a
 * user namespace the shim makes the mounts of host paths and the devices ahead, and sets limits from outside.
 */

export type NamespaceKind = "mount" | "pid" | "uts" | "ipc" | "net" | "cgroup" | "user" | "time";

/** Attributes of one mount, as mount_setattr(2) has them. Absent means off. */
export interface MountAttributes {
  readonly readonly?: boolean;
  readonly nosuid?: boolean;
  readonly nodev?: boolean;
  readonly noexec?: boolean;
  readonly noatime?: boolean;
  readonly strictatime?: boolean;
  readonly nodiratime?: boolean;
  readonly nosymfollow?: boolean;
  /** Apply to every mount below as well (AT_RECURSIVE). Only for `bind`. */
  readonly recursive?: boolean;
}

export type Propagation =
  | "private"
  | "rprivate"
  | "shared"
  | "rshared"
  | "slave"
  | "rslave"
  | "unbindable"
  | "runbindable";

export interface IdMapEntry {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

/** Ids of users and groups in a user namespace, and the host's that they are. */
export interface IdMaps {
  readonly uids: readonly IdMapEntry[];
  readonly gids: readonly IdMapEntry[];
}

/** uid and gids by number: what the container phase needs after names were looked up. */
export type PlanUser =
  | {
      readonly by: "number";
      readonly uid: number;
      readonly gid: number;
      readonly additionalGids: readonly number[];
    }
  /**
   * Docker's `--user` words, looked up in the new root's own /etc/passwd and /etc/group after pivot_root.
   * `user` and `group` are a name or a number in decimal, `group` empty for the user's primary group; supplementary
   * groups of the user are taken from /etc/group unless `group` is given; `additionalGroups` (`--group-add`) always.
   */
  | {
      readonly by: "name";
      readonly user: string;
      readonly group: string;
      readonly additionalGroups: readonly string[];
    };

export type Operation =
  // ── host ────────────────────────────────────────────────────────────────────────────────────────────────────
  /** mkdir -p of one cgroup folder. The shim remembers the ones it made itself and removes them, innermost first, after the end. */
  | { readonly op: "cgroup-create"; readonly path: string; readonly version: 1 | 2 }
  /** Write `data` in one write(2) to an existing file (a cgroup limit, a /proc or /sys file). `optional`: a missing file is no error. */
  | { readonly op: "write-file"; readonly path: string; readonly data: string; readonly optional?: boolean }
  /** Where the out-of-memory kills of the container are counted (memory.events, or memory.oom_control of v1). */
  | { readonly op: "oom-watch"; readonly path: string; readonly version: 1 | 2 }
  /** Docker json-file log of stdout and stderr; `maxBytes` 0 = no rotation; `maxFiles` counts the current one. */
  | { readonly op: "log-file"; readonly file: string; readonly maxBytes: number; readonly maxFiles: number }
  /** stdio of the process: a pty (with its first size) or pipes. `stdin` false gives /dev/null. `stdinOnce`: close stdin when the first attached client with stdin leaves. */
  | {
      readonly op: "stdio";
      readonly terminal: boolean;
      readonly stdin: boolean;
      readonly stdinOnce: boolean;
      readonly rows: number;
      readonly columns: number;
    }
  /** An eBPF program that decides on devices (BPF_PROG_TYPE_CGROUP_DEVICE) for the group, a folder of version 2. */
  | { readonly op: "device-filter"; readonly group: string; readonly program: Uint8Array }
  /** Who says a byte on this unix socket starts the process; a failure is told there, success closes it. Needs `leave`. */
  | { readonly op: "start-socket"; readonly path: string }
  /** The process keeps the shim's own stdio, instead of pipes, and its next `more` descriptors from 3 on. */
  | { readonly op: "stdio-inherited"; readonly more: number }
  /** The terminal's master goes to who listens on this unix socket (SCM_RIGHTS), not to the shim. */
  | { readonly op: "console-socket"; readonly path: string }
  /**
   * The program is another runtime's command, that makes the process and leaves it behind: at once, or when the start is
   * asked for. The shim takes the process whose id is then in the file, and the terminal that comes over the socket ("" = none).
   */
  | {
      readonly op: "adopt";
      readonly pidFile: string;
      readonly consoleSocket: string;
      readonly when: "at-launch" | "at-start";
    }
  // ── clone ───────────────────────────────────────────────────────────────────────────────────────────────────
  | { readonly op: "namespace-new"; readonly kind: NamespaceKind }
  /** `path` is a namespace file such as /proc/PID/ns/net. */
  | { readonly op: "namespace-join"; readonly kind: NamespaceKind; readonly path: string }
  /**
   * Put the process into a cgroup. v2 by CLONE_INTO_CGROUP; v1 by the process itself writing 0 to `tasks`, which
   * spares the global lock and its RCU grace period (13 ms measured) that a write of a pid to `cgroup.procs` takes.
   */
  | { readonly op: "cgroup-join"; readonly path: string; readonly version: 1 | 2 }
  /**
   * A new network namespace that belongs to a user namespace, a new one with these maps or that of a namespace file. The
   * process is in the first and not in the second, whose file is mounted at `target` in its mount namespace.
   */
  | {
      readonly op: "owned-network";
      readonly owner: IdMaps | { readonly path: string };
      readonly target: string;
    }
  // ── link ────────────────────────────────────────────────────────────────────────────────────────────────────
  | ({ readonly op: "id-map"; readonly allowSetgroups: boolean } & IdMaps)
  /**
   * Send one or more netlink messages over a socket of `protocol` (0 = NETLINK_ROUTE) opened in the host's or in the
   * container's network namespace, each awaiting its acknowledgement. Every offset in `pidOffsets` is where the pid
   * of the new process is written as a native u32 (IFLA_NET_NS_PID). `ignoreErrnos`: not counted as failures.
   */
  | {
      readonly op: "netlink";
      readonly where: "host" | "container";
      readonly protocol: number;
      readonly messages: Uint8Array;
      readonly pidOffsets: readonly number[];
      readonly ignoreErrnos?: readonly number[];
    }
  // ── container ───────────────────────────────────────────────────────────────────────────────────────────────
  /** Propagation of the whole tree of the new mount namespace, before anything is mounted. */
  | { readonly op: "mount-propagation"; readonly propagation: Propagation }
  /** The union root: `lower` topmost first. Without `upper` it is read-only. */
  | {
      readonly op: "rootfs-overlay";
      readonly lower: readonly string[];
      readonly upper?: string;
      readonly work?: string;
      readonly options: readonly string[];
      /** In these folders, which hold all layers, owners on the disk (containerId) are others in the root (hostId). */
      readonly shifted?: { readonly owners: IdMaps; readonly folders: readonly string[] };
    }
  /** A plain folder as root. */
  | { readonly op: "rootfs-bind"; readonly source: string }
  /** A new file system instance (proc, sysfs, tmpfs, devpts, mqueue, cgroup, cgroup2) on `target`, which is made if absent. */
  | {
      readonly op: "mount";
      readonly fstype: string;
      readonly source: string;
      readonly target: string;
      readonly attributes: MountAttributes;
      readonly data: string;
      readonly createMode?: number;
    }
  /** A file or folder in a read-only union of folders, topmost first; links on `path` do not lead out of it. */
  | {
      readonly op: "union-path";
      readonly lower: readonly string[];
      readonly path: string;
      readonly target: string;
      readonly attributes: MountAttributes;
    }
  /** A tmpfs that begins with a copy of what the root has at `target`. */
  | {
      readonly op: "tmpfs-copy-up";
      readonly target: string;
      readonly attributes: MountAttributes;
      readonly data: string;
    }
  /**
   * A host file or folder (open_tree, move_mount) on `target`; the target is made as file or folder as the source is.
   * `copyUp`: before mounting, if the source folder is empty, copy what the root has at `target` into it, with owner, mode, times and xattrs.
   */
  | {
      readonly op: "bind";
      readonly source: string;
      readonly target: string;
      readonly recursive: boolean;
      readonly attributes: MountAttributes;
      readonly propagation?: Propagation;
      readonly copyUp?: boolean;
      /** A path below `source` to bind in its place; links on it do not lead out of `source`. */
      readonly subpath?: string;
      /** Owners on the disk (containerId of an entry) as other owners in the mount (hostId). */
      readonly owners?: IdMaps;
    }
  /** The folder `source` in the root of another mount namespace (a file such as /proc/PID/ns/mnt), on `target`. */
  | {
      readonly op: "mount-from-namespace";
      readonly namespace: string;
      readonly source: string;
      readonly target: string;
    }
  /** The launch waits, with everything mounted and the old root still there, until `LaunchHooks` have run. */
  | { readonly op: "runtime-hooks" }
  /** A program run by the new process in its namespaces: in its place in the plan, or just before execve. */
  | { readonly op: "hook"; readonly stage: "now" | "at-start"; readonly hook: PlanHook }
  /** Lines for timens_offsets, after a new time namespace. */
  | { readonly op: "time-offsets"; readonly lines: string }
  /** A word of personality(2). */
  | { readonly op: "personality"; readonly persona: number }
  /** sched_setattr(2); times in nanoseconds. */
  | {
      readonly op: "scheduler";
      readonly policy: number;
      readonly flags: number;
      readonly nice: number;
      readonly priority: number;
      readonly runtime: number;
      readonly deadline: number;
      readonly period: number;
    }
  /** Class and data as ioprio_set(2) takes them. */
  | { readonly op: "io-priority"; readonly word: number }
  | {
      readonly op: "device";
      readonly target: string;
      readonly type: "c" | "b" | "p";
      readonly major: number;
      readonly minor: number;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly op: "symlink"; readonly target: string; readonly to: string }
  /** The pty's slave as /dev/console (only with a terminal). */
  | { readonly op: "console" }
  | { readonly op: "pivot-root" }
  | { readonly op: "root-readonly" }
  /** Hide: /dev/null over a file, an empty read-only tmpfs over a folder, nothing when absent. */
  | { readonly op: "mask"; readonly path: string }
  | { readonly op: "readonly-path"; readonly path: string }
  /** `key` with dots or slashes, below /proc/sys. */
  | { readonly op: "sysctl"; readonly key: string; readonly value: string }
  /** A session keyring of that name (keyctl(2), KEYCTL_JOIN_SESSION_KEYRING), in place of the launcher's. */
  | { readonly op: "session-keyring"; readonly name: string }
  | { readonly op: "hostname"; readonly name: string }
  | { readonly op: "domainname"; readonly name: string }
  /** A hard limit over what the engine may raise is clamped to the engine's own and reported as a warning. */
  | { readonly op: "rlimit"; readonly resource: number; readonly soft: bigint; readonly hard: bigint }
  /** Clamped to what the engine has, with a warning, when it may not be lowered. */
  | { readonly op: "oom-score-adj"; readonly value: number }
  | { readonly op: "user"; readonly user: PlanUser; readonly umask?: number }
  /** Bit masks of capabilities(7) by number. */
  | {
      readonly op: "capabilities";
      readonly bounding: bigint;
      readonly effective: bigint;
      readonly permitted: bigint;
      readonly inheritable: bigint;
      readonly ambient: bigint;
    }
  | { readonly op: "no-new-privileges" }
  /** A compiled filter: struct sock_filter[] as the kernel takes it; flags of seccomp(2). */
  | { readonly op: "seccomp"; readonly program: Uint8Array; readonly flags: number }
  /** chdir inside the root; `create`: mkdir -p first, as root's. */
  | { readonly op: "working-directory"; readonly path: string; readonly create: boolean }
  /** KEY=value strings. HOME is added by the shim from the passwd entry of the user when it is not among them. */
  | { readonly op: "environment"; readonly entries: readonly string[] }
  /** pid 1 is an init of the shim's own that forwards signals and reaps; the program is its child. */
  | { readonly op: "init" }
  /** The end of the plan: execve with PATH search in the environment's PATH when `args[0]` has no slash. */
  | { readonly op: "exec"; readonly args: readonly string[] };

/** `state` is its stdin: JSON, with ten blanks at `pidOffset` where its process id is written. */
export interface PlanHook {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** 0 = no limit. */
  readonly timeoutSeconds: number;
  readonly state: Uint8Array;
  readonly pidOffset: number;
}

export type OperationName = Operation["op"];

export interface LaunchPlan {
  readonly operations: readonly Operation[];
  /** Whether the shim runs straight on to execve, or waits before it for `Task.start()`. */
  readonly start: "now" | "on-request";
  /** The shim ends before execve (with start "on-request", then over a start-socket) or after it, and is no parent. */
  readonly leave?: boolean;
}

import { capabilityNames } from "../capability/index.ts";
import type { DecodedOperation, FieldsOf } from "./decode.ts";
import { ATTRIBUTE_RECURSIVE, attributeNames, namespaceFlagName, propagationName } from "./kernel.ts";
import type { OperationName } from "./operations.ts";

/** What an operation becomes in the kernel, and what that is good for, in words for a person. */
export interface OperationMeaning {
  /** The system calls with their arguments, in the notation of C. */
  readonly call: string;
  readonly why: string;
}

type Meanings = {
  readonly [Name in OperationName]: {
    readonly call: (fields: FieldsOf<Name>) => string;
    readonly why: string | ((fields: FieldsOf<Name>) => string);
  };
};

const quote = (text: string): string => JSON.stringify(text);
const list = (words: readonly string[]): string => `{${words.map(quote).join(", ")}}`;
const octal = (mode: bigint): string => `0${mode.toString(8)}`;
const isSet = (field: bigint): boolean => field !== 0n;
const line = (text: string): string => text.trimEnd().replaceAll("\n", "; ");

const BYTES_PER_FILTER_INSTRUCTION = 8;
const instructions = (program: Buffer): number => program.length / BYTES_PER_FILTER_INSTRUCTION;
const NETLINK_PROTOCOLS: Readonly<Record<string, string>> = { 0: "NETLINK_ROUTE", 12: "NETLINK_NETFILTER" };

/** RLIMIT_* of getrlimit(2) in the order of their numbers. */
const LIMITS =
  "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME";
const limitName = (resource: bigint): string => `RLIMIT_${LIMITS.split(" ")[Number(resource)] ?? resource}`;
const INFINITY = 2n ** 64n - 1n;
const limit = (value: bigint): string => (value === INFINITY ? "RLIM_INFINITY" : String(value));

const NAMESPACES: Readonly<Record<string, string>> = {
  CLONE_NEWNS: "a table of mounts of its own: what it mounts is seen by nobody else",
  CLONE_NEWPID: "process ids of its own: its first process is 1 and sees no process outside",
  CLONE_NEWUTS: "a host name of its own",
  CLONE_NEWIPC: "System V and POSIX message queues, semaphores and shared memory of its own",
  CLONE_NEWNET:
    "interfaces, addresses, routes, ports and packet rules of its own; at first only a loopback that is down",
  CLONE_NEWCGROUP: "its control group looks like the root of all groups to it",
  CLONE_NEWUSER: "user ids of its own: root in it is nobody outside",
  CLONE_NEWTIME: "offsets of the monotonic and boot clocks of its own",
};

const MEANINGS: Meanings = {
  "cgroup-create": {
    call: ({ path }) => `mkdir(${quote(path)}, 0755)`,
    why: "a control group is a folder; what is limited and counted is what is in it",
  },
  "write-file": {
    call: ({ path, data }) => `write(open(${quote(path)}, O_WRONLY), ${quote(data)}, ${data.length})`,
    why: ({ path }) => (path.includes("/cgroup") ? "a limit of the group" : "a setting of the kernel"),
  },
  "oom-watch": {
    call: ({ path }) => `read(open(${quote(path)}, O_RDONLY))`,
    why: "counts kills for want of memory before and after: so the end can be told as one",
  },
  "log-file": {
    call: ({ path }) => `open(${quote(path)}, O_WRONLY | O_APPEND | O_CREAT, 0640)`,
    why: ({ bytes, files }) =>
      isSet(bytes) ? `the log, ${files} files of ${bytes} bytes at most` : "the log, of any size",
  },
  stdio: {
    call: ({ terminal, stdin }) =>
      isSet(terminal)
        ? 'open("/dev/pts/ptmx"), ioctl(TIOCSPTLCK)'
        : `pipe2(O_CLOEXEC) × ${isSet(stdin) ? 3 : 2}${isSet(stdin) ? "" : ', open("/dev/null")'}`,
    why: ({ terminal, stdin }) =>
      isSet(terminal)
        ? "a terminal of the container's own; the shim keeps the master's side"
        : `pipes between the program and the shim${isSet(stdin) ? "" : "; nothing to read on stdin"}`,
  },
  "device-filter": {
    call: ({ cgroup, program }) =>
      `bpf(BPF_PROG_ATTACH, BPF_CGROUP_DEVICE, ${quote(cgroup)}, ${instructions(program)} instructions)`,
    why: "a program in the kernel that decides which devices may be opened",
  },
  "start-socket": {
    call: ({ path }) => `bind(socket(AF_UNIX), ${quote(path)}), listen()`,
    why: "who says a byte there starts the program",
  },
  "stdio-inherited": {
    call: ({ more }) => `dup2() of descriptors 0 to ${2n + more}`,
    why: "the program keeps the caller's own stdio",
  },
  "console-socket": {
    call: ({ path }) => `sendmsg(connect(${quote(path)}), SCM_RIGHTS)`,
    why: "the terminal's master goes to the caller",
  },
  adopt: {
    call: ({ pidFile, consoleSocket }) =>
      `waitpid() for the runtime's command, read(open(${quote(pidFile)})), pidfd_open()${
        consoleSocket === "" ? "" : `, recvmsg(accept(${quote(consoleSocket)}), SCM_RIGHTS)`
      }`,
    why: "another runtime makes the process and leaves it behind; the shim, its subreaper, takes it as a child",
  },
  "namespace-new": {
    call: ({ kind }) =>
      namespaceFlagName(kind) === "CLONE_NEWCGROUP" || namespaceFlagName(kind) === "CLONE_NEWTIME"
        ? `unshare(${namespaceFlagName(kind)})`
        : `clone3({flags: ${namespaceFlagName(kind)}})`,
    why: ({ kind }) => NAMESPACES[namespaceFlagName(kind)] ?? "a namespace of its own",
  },
  "namespace-join": {
    call: ({ kind, path }) => `setns(open(${quote(path)}), ${namespaceFlagName(kind)})`,
    why: "the namespace of another container, or of somebody who keeps it",
  },
  "owned-network": {
    call: ({ joined, target }) =>
      `setns(${joined === "" ? "a new user namespace" : `open(${quote(joined)})`}), unshare(CLONE_NEWNET), setns(CLONE_NEWNET), mount(…, ${quote(target)}, MS_BIND)`,
    why: "the network belongs to the user namespace that another runtime will put the container into",
  },
  "cgroup-join": {
    call: ({ path, version }) =>
      version === 1n
        ? `write(open(${quote(`${path}/tasks`)}), "0", 1)`
        : `clone3({flags: CLONE_INTO_CGROUP, cgroup: ${quote(path)}})`,
    why: "from here on the process and all its children count there",
  },
  "id-map": {
    call: ({ uids, gids }) =>
      `write("/proc/PID/uid_map", ${quote(line(uids))}), write("/proc/PID/gid_map", ${quote(line(gids))})`,
    why: "which ids outside the ids inside are: first inside, first outside, how many",
  },
  netlink: {
    call: ({ inContainer, protocol }) =>
      `sendmsg(socket(AF_NETLINK, SOCK_RAW, ${NETLINK_PROTOCOLS[String(protocol)] ?? protocol}), …) in the ${
        isSet(inContainer) ? "container's" : "host's"
      } network namespace`,
    why: "links, addresses and routes are made by messages to the kernel; ip(8) sends the same",
  },
  "mount-propagation": {
    call: ({ flags }) => `mount(NULL, "/", NULL, ${propagationName(flags)}, NULL)`,
    why: "what is mounted in the container does not reach the host, nor (when private) the other way",
  },
  "rootfs-overlay": {
    call: ({ lower, upper, folders }) =>
      [
        ...folders.map((folder) => `mount_setattr(open_tree(${quote(folder)}), MOUNT_ATTR_IDMAP)`),
        'fsopen("overlay")',
        `fsconfig("lowerdir+") × ${lower.length}`,
        ...(upper === "" ? [] : ['fsconfig("upperdir")', 'fsconfig("workdir")']),
        "fsmount()",
        "move_mount()",
      ].join(", "),
    why: ({ lower, upper, owners }) =>
      `the union root: ${lower.length} read-only layers${
        upper === ""
          ? ""
          : ", and one on top that takes what is written; a file of a layer is copied up before it is changed"
      }${owners === "" ? "" : "; owners on the disk are those of the user namespace"}`,
  },
  "rootfs-bind": {
    call: ({ source }) => `open_tree(${quote(source)}, OPEN_TREE_CLONE | AT_RECURSIVE), move_mount()`,
    why: "a folder as the root",
  },
  mount: {
    call: ({ type, target, attributes, data }) =>
      `fsopen(${quote(type)}), fsconfig(${data === "" ? "" : quote(data)}), fsmount(${attributeNames(attributes)}), move_mount(→ ${quote(target)})`,
    why: ({ type }) => FILE_SYSTEMS[type] ?? "a file system of its own",
  },
  bind: {
    call: ({ source, target, recursive, attributes, subpath }) =>
      [
        `open_tree(${quote(subpath === "" ? source : `${source}/${subpath}`)}, OPEN_TREE_CLONE${isSet(recursive) ? " | AT_RECURSIVE" : ""})`,
        ...(isSet(attributes)
          ? [
              `mount_setattr(${attributeNames(attributes & ~ATTRIBUTE_RECURSIVE)}${attributes & ATTRIBUTE_RECURSIVE ? ", AT_RECURSIVE" : ""})`,
            ]
          : []),
        `move_mount(→ ${quote(target)})`,
      ].join(", "),
    why: ({ copyUp }) =>
      `a file or folder of the host's${isSet(copyUp) ? "; an empty one is first filled with what the image has there" : ""}`,
  },
  device: {
    call: ({ target, type, major, minor, mode }) =>
      `mknodat(${quote(target)}, ${type === 98n ? "S_IFBLK" : type === 112n ? "S_IFIFO" : "S_IFCHR"} | ${octal(mode)}, makedev(${major}, ${minor}))`,
    why: "a device node; whether it may be opened is the control group's to say",
  },
  symlink: {
    call: ({ target, to }) => `symlinkat(${quote(to)}, ${quote(target)})`,
    why: "a name that programs expect",
  },
  console: {
    call: () => 'open_tree("/dev/pts/N", OPEN_TREE_CLONE), move_mount(→ "/dev/console")',
    why: "the container's terminal is its console",
  },
  "pivot-root": {
    call: () => 'pivot_root(".", "."), umount2(".", MNT_DETACH)',
    why: "the new root takes the place of the host's, which is let go: no path leads there any more",
  },
  "root-readonly": {
    call: () => 'mount_setattr("/", MOUNT_ATTR_RDONLY)',
    why: "nothing can be written to the root itself",
  },
  mask: {
    call: ({ path }) => `open_tree(/dev/null, or an empty tmpfs), move_mount(→ ${quote(path)})`,
    why: "hidden: it tells of the host or reaches its devices",
  },
  "readonly-path": {
    call: ({ path }) =>
      `open_tree(${quote(path)}, OPEN_TREE_CLONE | AT_RECURSIVE), mount_setattr(MOUNT_ATTR_RDONLY), move_mount()`,
    why: "can be read, but settings of the whole machine are not the container's to change",
  },
  sysctl: {
    call: ({ key, value }) =>
      `write(open(${quote(`/proc/sys/${key.includes("/") ? key : key.replaceAll(".", "/")}`)}), ${quote(value)})`,
    why: "a setting that belongs to one of its namespaces",
  },
  hostname: { call: ({ name }) => `sethostname(${quote(name)})`, why: "in its own UTS namespace" },
  domainname: { call: ({ name }) => `setdomainname(${quote(name)})`, why: "in its own UTS namespace" },
  rlimit: {
    call: ({ resource, soft, hard }) => `setrlimit(${limitName(resource)}, {${limit(soft)}, ${limit(hard)}})`,
    why: "a limit of each process",
  },
  "oom-score-adj": {
    call: ({ value }) => `write(open("/proc/self/oom_score_adj"), "${BigInt.asIntN(64, value)}")`,
    why: "how soon it is killed when the machine runs out of memory",
  },
  user: {
    call: ({ byName, uid, gid, user, group }) =>
      isSet(byName)
        ? `setgroups(), setresgid(${group === "" ? "its primary group" : group}), setresuid(${user === "" ? "0" : user})`
        : `setgroups(), setresgid(${gid}), setresuid(${uid})`,
    why: ({ byName }) =>
      isSet(byName)
        ? "names and groups are those of the container's own /etc/passwd and /etc/group"
        : "ids by number",
  },
  capabilities: {
    call: ({ bounding, effective }) =>
      `prctl(PR_CAPBSET_DROP) for all but ${capabilityNames(bounding).length}, capset({effective: ${capabilityNames(effective).length}, …})`,
    why: "root's power in pieces: it keeps some, and cannot gain the others by any program",
  },
  "no-new-privileges": {
    call: () => "prctl(PR_SET_NO_NEW_PRIVS, 1)",
    why: "set-user-id programs give no rights",
  },
  seccomp: {
    call: ({ program }) => `seccomp(SECCOMP_SET_MODE_FILTER, ${instructions(program)} instructions)`,
    why: "a program in the kernel that looks at each system call and lets it through or refuses it",
  },
  "working-directory": {
    call: ({ path, create }) => `${isSet(create) ? "mkdirat(), " : ""}fchdir(${quote(path)})`,
    why: "proven to lie inside the root",
  },
  environment: {
    call: ({ entries }) => `envp = ${entries.length} entries of execve()`,
    why: "the variables of the image, and those given",
  },
  exec: {
    call: ({ args: [program = "", ...rest] }) =>
      `execve(${quote(program)}, ${list([program, ...rest])}, envp)`,
    why: "the process becomes the program",
  },
  init: {
    call: () => "fork(), then waitpid() for ever",
    why: "process 1 is an init that passes signals on and reaps orphans; the program is its child",
  },
  "mount-from-namespace": {
    call: ({ namespace, source, target }) =>
      `setns(${quote(namespace)}), open_tree(${quote(source)}, OPEN_TREE_CLONE), move_mount(→ ${quote(target)})`,
    why: "a folder that another container has mounted",
  },
  "runtime-hooks": { call: () => "recvmsg()", why: "waits until the caller has run its own hooks" },
  hook: {
    call: ({ path, args }) => `fork(), execve(${quote(path)}, ${list(args)})`,
    why: ({ atStart }) =>
      `a program of the administrator's${isSet(atStart) ? ", just before the start" : ""}`,
  },
  "time-offsets": {
    call: ({ lines }) => `write(open("/proc/self/timens_offsets"), ${quote(line(lines))})`,
    why: "clocks of the new time namespace",
  },
  personality: {
    call: ({ persona }) => `personality(0x${persona.toString(16)})`,
    why: "what kind of machine it sees",
  },
  scheduler: {
    call: ({ policy, nice, priority }) =>
      `sched_setattr({policy: ${policy}, nice: ${BigInt.asIntN(64, nice)}, priority: ${priority}})`,
    why: "how it is given time",
  },
  "io-priority": {
    call: ({ word }) => `ioprio_set(IOPRIO_WHO_PROCESS, 0, 0x${word.toString(16)})`,
    why: "how its input and output wait",
  },
  "tmpfs-copy-up": {
    call: ({ target, data }) =>
      `fsopen("tmpfs"), fsconfig(${quote(data)}), fsmount(), move_mount(→ ${quote(target)})`,
    why: "a file system in memory that begins with what the image has there",
  },
  "union-path": {
    call: ({ lower, path, target }) =>
      `fsopen("overlay"), fsconfig(lowerdir+ × ${lower.length}), fsmount(), open_tree(${quote(path)} in it), move_mount(→ ${quote(target)})`,
    why: "a path in an image, whose links do not lead out of it",
  },
  "session-keyring": {
    call: ({ name }) => `keyctl(KEYCTL_JOIN_SESSION_KEYRING, ${quote(name)})`,
    why: "keys of its own, in place of the launcher's",
  },
};

/** What the container has of these. */
const FILE_SYSTEMS: Readonly<Record<string, string>> = {
  proc: "the processes of its own pid namespace, and settings of the kernel",
  tmpfs: "a file system in memory",
  devpts: "terminals of its own",
  sysfs: "devices and drivers; shows the interfaces of its own network namespace",
  mqueue: "message queues of its own IPC namespace",
  cgroup: "its control groups of version 1",
  cgroup2: "its control group of version 2",
};

/** The system calls that an operation becomes. */
export function meaningOf(operation: DecodedOperation): OperationMeaning {
  // Name and fields of one operation belong to the same entry of the table, which the compiler cannot follow.
  const { call, why } = MEANINGS[operation.op] as {
    call: (fields: DecodedOperation["fields"]) => string;
    why: string | ((fields: DecodedOperation["fields"]) => string);
  };
  return {
    call: call(operation.fields),
    why: typeof why === "string" ? why : why(operation.fields),
  };
}

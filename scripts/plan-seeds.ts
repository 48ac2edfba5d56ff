import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileExec, compileLaunch } from "../src/runtime/compile/index.ts";
import { encodePlan, type LaunchPlan, type Operation } from "../src/runtime/plan/index.ts";
import type { Spec } from "../src/runtime/spec/index.ts";

/** The seeds of the plan parser's fuzzing: plans as the engine writes them. Run when the plan's format has changed. */
const folder = join(import.meta.dirname, "../native/fuzz/seeds/plan");

const layout = {
  unified: "/sys/fs/cgroup/unified",
  unifiedControllers: new Set<string>(),
  legacy: new Map(
    ["memory", "cpu", "pids", "devices"].map((name) => [name, `/sys/fs/cgroup/${name}`] as const),
  ),
};
const unifiedLayout = {
  unified: "/sys/fs/cgroup",
  unifiedControllers: new Set(["memory", "cpu", "io", "pids"]),
  legacy: new Map<string, string>(),
};
const stdio = { stdin: true, stdinOnce: true };
const capabilities = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
const ALLOW_ALL = Uint8Array.of(6, 0, 0, 0, 0, 0, 0xff, 0x7f);

const spec: Spec = {
  ociVersion: "1.2.0",
  hostname: "c0ffee",
  domainname: "test",
  root: { path: "rootfs", readonly: true },
  process: {
    terminal: true,
    consoleSize: { height: 24, width: 80 },
    user: { uid: 0, gid: 0, umask: 0o22 },
    args: ["sh", "-c", "echo Привет"],
    env: ["PATH=/bin", "TERM=xterm"],
    cwd: "/work",
    capabilities: {
      bounding: capabilities,
      effective: capabilities,
      permitted: capabilities,
      inheritable: [],
      ambient: [],
    },
    rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: -1 }],
    noNewPrivileges: true,
    oomScoreAdj: -500,
  },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
    {
      destination: "/data",
      type: "bind",
      source: "/srv/data",
      options: ["rbind", "ro", "rslave", "copy-up"],
    },
  ],
  linux: {
    namespaces: [
      { type: "mount" },
      { type: "pid" },
      { type: "network", path: "/proc/7/ns/net" },
      { type: "cgroup" },
    ],
    devices: [{ path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 }],
    cgroupsPath: "/gantry/c0ffee",
    resources: {
      memory: { limit: 1 << 26, swap: 1 << 27 },
      pids: { limit: 100 },
      cpu: { shares: 512 },
      devices: [{ allow: false, rule: "a *:* rwm" }],
    },
    sysctl: { "net.core.somaxconn": "128" },
    maskedPaths: ["/proc/kcore", "/sys/firmware"],
    readonlyPaths: ["/proc/sys"],
    rootfsPropagation: "rprivate",
  },
};

const overlay: Operation = {
  op: "rootfs-overlay",
  lower: ["/var/lib/gantry/layers/2", "/var/lib/gantry/layers/1"],
  upper: "/var/lib/gantry/upper",
  work: "/var/lib/gantry/work",
  options: ["xino=off"],
};
const network: Operation[] = [
  {
    op: "netlink",
    where: "host",
    protocol: 0,
    messages: Uint8Array.of(20, 0, 0, 0, 16, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    pidOffsets: [16],
    ignoreErrnos: [17],
  },
];

const hook = {
  path: "/bin/hook",
  args: ["hook", "--now"],
  env: ["A=b"],
  timeoutSeconds: 5,
  state: Buffer.from('{"pid":          }'),
  pidOffset: 7,
};

const plans: Readonly<Record<string, LaunchPlan>> = {
  container: compileLaunch({
    spec,
    keyring: "_ses.c0ffee",
    root: overlay,
    network,
    layout,
    stdio,
    log: { file: "/var/lib/gantry/containers/c0ffee/c0ffee-json.log", maxBytes: 1 << 20, maxFiles: 3 },
    user: { by: "name", user: "web", group: "", additionalGroups: ["audio", "7"] },
    seccomp: { program: ALLOW_ALL, flags: 0 },
  }),
  unified: compileLaunch({
    spec: { ...spec, process: { ...spec.process, terminal: false, noNewPrivileges: false } },
    keyring: "_ses.c0ffee",
    root: { op: "rootfs-bind", source: "/srv/root" },
    network: [],
    layout: unifiedLayout,
    stdio: { stdin: false, stdinOnce: false },
    user: { by: "number", uid: 1000, gid: 1000, additionalGids: [4, 24] },
    seccomp: { program: ALLOW_ALL, flags: 0 },
  }),
  exec: compileExec({
    spec,
    keyring: "_ses.c0ffee",
    process: spec.process,
    pid: 4242,
    layout,
    stdio,
    user: { by: "name", user: "0", group: "0", additionalGroups: [] },
  }),
  "user-namespace": {
    start: "now",
    operations: [
      { op: "namespace-new", kind: "user" },
      {
        op: "id-map",
        uids: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
        gids: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
        allowSetgroups: false,
      },
      { op: "symlink", target: "/dev/fd", to: "/proc/self/fd" },
      { op: "exec", args: ["true"] },
    ],
  },
  runtime: {
    start: "on-request",
    leave: true,
    operations: [
      { op: "start-socket", path: "/run/oci/c0ffee/start.sock" },
      { op: "console-socket", path: "/run/oci/console.sock" },
      { op: "stdio-inherited", more: 2 },
      {
        op: "owned-network",
        owner: {
          uids: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
          gids: [{ containerId: 0, hostId: 100_000, size: 65_536 }],
        },
        target: "/run/oci/c0ffee/user",
      },
      { op: "device-filter", group: "/sys/fs/cgroup/oci", program: new Uint8Array(16) },
      { op: "mount-from-namespace", namespace: "/proc/7/ns/mnt", source: "/dev/shm", target: "/dev/shm" },
      { op: "session-keyring", name: "_ses.c0ffee" },
      { op: "tmpfs-copy-up", target: "/run", attributes: { nosuid: true }, data: "size=64k" },
      {
        op: "union-path",
        lower: ["/l/2", "/l/1"],
        path: "a/b",
        target: "/m",
        attributes: { readonly: true },
      },
      { op: "runtime-hooks" },
      { op: "hook", stage: "at-start", hook },
      { op: "time-offsets", lines: "monotonic 86400 0\n" },
      { op: "personality", persona: 8 },
      { op: "scheduler", policy: 3, flags: 0, nice: -5, priority: 0, runtime: 0, deadline: 0, period: 0 },
      { op: "io-priority", word: 0x4004 },
      { op: "init" },
      { op: "exec", args: ["true"] },
    ],
  },
  adopted: {
    start: "now",
    operations: [
      {
        op: "adopt",
        pidFile: "/run/g/bundles/c0/pid",
        consoleSocket: "/run/g/bundles/c0/tty",
        when: "at-launch",
      },
      { op: "exec", args: ["/usr/sbin/runc", "create", "c0"] },
    ],
  },
  smallest: { start: "now", operations: [{ op: "exec", args: ["true"] }] },
};

mkdirSync(folder, { recursive: true });
for (const [name, plan] of Object.entries(plans))
  writeFileSync(join(folder, `${name}.plan`), encodePlan(plan));

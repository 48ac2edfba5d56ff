import type { OperationName } from "./operations.ts";

/** The binary form of a launch plan; native/operations.def is the same table for the shim, and a test compares them. */
export const PLAN_MAGIC = "GNTRPLAN";
export const PLAN_VERSION = 1;
export const PLAN_HEADER_BYTES = 32;
export const PLAN_START_ON_REQUEST = 1;
export const PLAN_LEAVE = 2;

export type Phase = "host" | "clone" | "link" | "container";

/** u = u64, s = string, b = bytes, l = list of strings. */
export type Letter = "u" | "s" | "b" | "l";

export interface OperationLayout {
  readonly code: number;
  readonly phase: Phase;
  /** In the order in which they are written. */
  readonly fields: Readonly<Record<string, Letter>>;
}

export const OPERATIONS = {
  "cgroup-create": { code: 1, phase: "host", fields: { path: "s", version: "u" } },
  "write-file": { code: 2, phase: "host", fields: { path: "s", data: "s", optional: "u" } },
  "oom-watch": { code: 3, phase: "host", fields: { path: "s", version: "u" } },
  "log-file": { code: 4, phase: "host", fields: { path: "s", bytes: "u", files: "u" } },
  stdio: {
    code: 5,
    phase: "host",
    fields: { terminal: "u", stdin: "u", stdinOnce: "u", rows: "u", columns: "u" },
  },
  "device-filter": { code: 6, phase: "host", fields: { cgroup: "s", program: "b" } },
  "start-socket": { code: 7, phase: "host", fields: { path: "s" } },
  "stdio-inherited": { code: 8, phase: "host", fields: { more: "u" } },
  "console-socket": { code: 9, phase: "host", fields: { path: "s" } },
  "namespace-new": { code: 10, phase: "clone", fields: { kind: "u" } },
  "namespace-join": { code: 11, phase: "clone", fields: { kind: "u", path: "s" } },
  "cgroup-join": { code: 12, phase: "clone", fields: { path: "s", version: "u" } },
  "owned-network": { code: 13, phase: "clone", fields: { uids: "s", gids: "s", joined: "s", target: "s" } },
  "id-map": { code: 20, phase: "link", fields: { uids: "s", gids: "s", setgroups: "u" } },
  netlink: {
    code: 21,
    phase: "link",
    fields: { inContainer: "u", protocol: "u", messages: "b", pidOffsets: "b", ignoredErrnos: "b" },
  },
  "mount-propagation": { code: 30, phase: "container", fields: { flags: "u" } },
  "rootfs-overlay": {
    code: 31,
    phase: "container",
    fields: { lower: "l", upper: "s", work: "s", options: "l", owners: "s", folders: "l" },
  },
  "rootfs-bind": { code: 32, phase: "container", fields: { source: "s" } },
  mount: {
    code: 33,
    phase: "container",
    fields: { type: "s", source: "s", target: "s", attributes: "u", data: "s", mode: "u" },
  },
  bind: {
    code: 34,
    phase: "container",
    fields: {
      source: "s",
      target: "s",
      recursive: "u",
      attributes: "u",
      propagation: "u",
      copyUp: "u",
      subpath: "s",
      owners: "s",
    },
  },
  device: {
    code: 35,
    phase: "container",
    fields: { target: "s", type: "u", major: "u", minor: "u", mode: "u", uid: "u", gid: "u" },
  },
  symlink: { code: 36, phase: "container", fields: { target: "s", to: "s" } },
  console: { code: 37, phase: "container", fields: {} },
  "pivot-root": { code: 38, phase: "container", fields: {} },
  "root-readonly": { code: 39, phase: "container", fields: {} },
  mask: { code: 40, phase: "container", fields: { path: "s" } },
  "readonly-path": { code: 41, phase: "container", fields: { path: "s" } },
  sysctl: { code: 42, phase: "container", fields: { key: "s", value: "s" } },
  hostname: { code: 43, phase: "container", fields: { name: "s" } },
  domainname: { code: 44, phase: "container", fields: { name: "s" } },
  rlimit: { code: 45, phase: "container", fields: { resource: "u", soft: "u", hard: "u" } },
  "oom-score-adj": { code: 46, phase: "container", fields: { value: "u" } },
  user: {
    code: 47,
    phase: "container",
    fields: {
      byName: "u",
      uid: "u",
      gid: "u",
      groups: "b",
      user: "s",
      group: "s",
      moreGroups: "l",
      umask: "u",
    },
  },
  capabilities: {
    code: 48,
    phase: "container",
    fields: { bounding: "u", effective: "u", permitted: "u", inheritable: "u", ambient: "u" },
  },
  "no-new-privileges": { code: 49, phase: "container", fields: {} },
  seccomp: { code: 50, phase: "container", fields: { program: "b", flags: "u" } },
  "working-directory": { code: 51, phase: "container", fields: { path: "s", create: "u" } },
  environment: { code: 52, phase: "container", fields: { entries: "l" } },
  exec: { code: 53, phase: "container", fields: { args: "l" } },
  init: { code: 54, phase: "container", fields: {} },
  "mount-from-namespace": {
    code: 55,
    phase: "container",
    fields: { namespace: "s", source: "s", target: "s" },
  },
  "runtime-hooks": { code: 56, phase: "container", fields: {} },
  hook: {
    code: 57,
    phase: "container",
    fields: { path: "s", args: "l", env: "l", timeout: "u", state: "b", pidOffset: "u", atStart: "u" },
  },
  "time-offsets": { code: 58, phase: "container", fields: { lines: "s" } },
  personality: { code: 59, phase: "container", fields: { persona: "u" } },
  scheduler: {
    code: 60,
    phase: "container",
    fields: { policy: "u", flags: "u", nice: "u", priority: "u", runtime: "u", deadline: "u", period: "u" },
  },
  "io-priority": { code: 61, phase: "container", fields: { word: "u" } },
  "tmpfs-copy-up": { code: 62, phase: "container", fields: { target: "s", attributes: "u", data: "s" } },
  "session-keyring": { code: 63, phase: "container", fields: { name: "s" } },
  adopt: { code: 64, phase: "host", fields: { pidFile: "s", consoleSocket: "s", atStart: "u" } },
  "union-path": {
    code: 65,
    phase: "container",
    fields: { lower: "l", path: "s", target: "s", attributes: "u" },
  },
} as const satisfies Readonly<Record<OperationName, OperationLayout>>;

const NAMES = new Map<number, OperationName>(
  Object.entries(OPERATIONS).map(([name, { code }]) => [code, name as OperationName]),
);

export const operationName = (code: number): OperationName | undefined => NAMES.get(code);

import type { OperationName } from "./operations.ts";

/** The binary form of a launch plan; native/operations.def is the same table for the shim, and a test compares them. */
export const PLAN_MAGIC = "GNTRPLAN";
export const PLAN_VERSION = 1;
export const PLAN_HEADER_BYTES = 32;
export const PLAN_START_ON_REQUEST = 1;
export const PLAN_LEAVE = 2;

/** Code of each operation, and its fields: u = u64, s = string, b = bytes, l = list of strings. */
export const OPERATIONS: Readonly<Record<OperationName, { readonly code: number; readonly fields: string }>> =
  {
    "cgroup-create": { code: 1, fields: "su" },
    "write-file": { code: 2, fields: "ssu" },
    "oom-watch": { code: 3, fields: "su" },
    "log-file": { code: 4, fields: "suu" },
    stdio: { code: 5, fields: "uuuuu" },
    "device-filter": { code: 6, fields: "sb" },
    "start-socket": { code: 7, fields: "s" },
    "stdio-inherited": { code: 8, fields: "u" },
    "console-socket": { code: 9, fields: "s" },
    "namespace-new": { code: 10, fields: "u" },
    "namespace-join": { code: 11, fields: "us" },
    "cgroup-join": { code: 12, fields: "su" },
    "id-map": { code: 20, fields: "ssu" },
    netlink: { code: 21, fields: "uubbb" },
    "mount-propagation": { code: 30, fields: "u" },
    "rootfs-overlay": { code: 31, fields: "lssl" },
    "rootfs-bind": { code: 32, fields: "s" },
    mount: { code: 33, fields: "sssusu" },
    bind: { code: 34, fields: "ssuuuuss" },
    device: { code: 35, fields: "suuuuuu" },
    symlink: { code: 36, fields: "ss" },
    console: { code: 37, fields: "" },
    "pivot-root": { code: 38, fields: "" },
    "root-readonly": { code: 39, fields: "" },
    mask: { code: 40, fields: "s" },
    "readonly-path": { code: 41, fields: "s" },
    sysctl: { code: 42, fields: "ss" },
    hostname: { code: 43, fields: "s" },
    domainname: { code: 44, fields: "s" },
    rlimit: { code: 45, fields: "uuu" },
    "oom-score-adj": { code: 46, fields: "u" },
    user: { code: 47, fields: "uuubsslu" },
    capabilities: { code: 48, fields: "uuuuu" },
    "no-new-privileges": { code: 49, fields: "" },
    seccomp: { code: 50, fields: "bu" },
    "working-directory": { code: 51, fields: "su" },
    environment: { code: 52, fields: "l" },
    exec: { code: 53, fields: "l" },
    init: { code: 54, fields: "" },
    "mount-from-namespace": { code: 55, fields: "sss" },
    "runtime-hooks": { code: 56, fields: "" },
    hook: { code: 57, fields: "sllubuu" },
    "time-offsets": { code: 58, fields: "s" },
    personality: { code: 59, fields: "u" },
    scheduler: { code: 60, fields: "uuuuuuu" },
    "io-priority": { code: 61, fields: "u" },
    "tmpfs-copy-up": { code: 62, fields: "sus" },
    "session-keyring": { code: 63, fields: "s" },
  };

const NAMES = new Map(Object.entries(OPERATIONS).map(([name, { code }]) => [code, name as OperationName]));

export const operationName = (code: number): OperationName | undefined => NAMES.get(code);

import { ALL_CAPABILITIES } from "../capability/index.ts";
import type { CgroupLayout } from "../cgroup/index.ts";
import { MOUNT_OPTIONS } from "../compile/index.ts";
import { HOOK_NAMES } from "./config.ts";

export const OCI_VERSION = "1.2.0";

/** What this runtime can do (OCI runtime-spec, features.md and features-linux.md). */
export function describeFeatures(layout: CgroupLayout): object {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: OCI_VERSION,
    hooks: HOOK_NAMES,
    mountOptions: MOUNT_OPTIONS.filter((option) => option !== "copy-up"),
    linux: {
      namespaces: ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
      capabilities: ALL_CAPABILITIES,
      cgroup: {
        v1: true,
        v2: true,
        systemd: layout.legacy.size === 0,
        systemdUser: false,
        rdma: layout.legacy.has("rdma") || layout.unifiedControllers.has("rdma"),
      },
      seccomp: {
        enabled: true,
        actions: [
          "SCMP_ACT_ALLOW",
          "SCMP_ACT_ERRNO",
          "SCMP_ACT_KILL",
          "SCMP_ACT_KILL_PROCESS",
          "SCMP_ACT_KILL_THREAD",
          "SCMP_ACT_LOG",
          "SCMP_ACT_TRACE",
          "SCMP_ACT_TRAP",
        ],
        operators: ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"].map((name) => `SCMP_CMP_${name}`),
        archs: ["AARCH64", "ARM", "PPC64LE", "RISCV64", "S390", "S390X", "X32", "X86", "X86_64"].map(
          (name) => `SCMP_ARCH_${name}`,
        ),
        knownFlags: FILTER_FLAGS,
        supportedFlags: FILTER_FLAGS,
      },
      apparmor: { enabled: false },
      selinux: { enabled: false },
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: false },
    },
  };
}

const FILTER_FLAGS = [
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
];

import { DEFAULT_PROFILE } from "./default-profile.ts";
import type { SeccompProfile, SyscallRule } from "./profile.ts";

/** _IOW('X', 32, struct fsxattr) of linux/fs.h; PowerPC has another bit for "writes". */
const FS_IOC_FSSETXATTR = 0x401c5820n;
const FS_IOC_FSSETXATTR_POWERPC = 0x801c5820n;
const REQUEST_BITS = 32;

/**
 * Allow ioctl(2) with every request but one. The kernel looks at the lower half of the register alone, so that "is not equal"
 * to all of it would be no bar; a rule for each bit lets through what differs in that bit.
 */
const allowAllBut = (request: bigint, where: Partial<SyscallRule>): SyscallRule[] =>
  Array.from({ length: REQUEST_BITS }, (_, at) => {
    const bit = 1n << BigInt(at);
    return {
      names: ["ioctl"],
      action: "allow",
      args: [{ index: 1, op: "MASKED_EQ", value: bit, valueTwo: bit & ~request }],
      ...where,
    };
  });

/**
 * The default filter of a container whose writes are limited by disk quotas of projects: what a file counts with is
 * changed by FS_IOC_FSSETXATTR, which the kernel lets every owner of a file do (ioctl_xfs_fssetxattr(2)).
 */
export const PROJECT_KEEPING_PROFILE: SeccompProfile = {
  ...DEFAULT_PROFILE,
  rules: [
    ...DEFAULT_PROFILE.rules.map((rule) => ({
      ...rule,
      names: rule.names.filter((name) => name !== "ioctl"),
    })),
    ...allowAllBut(FS_IOC_FSSETXATTR, { notArchitectures: ["ppc64le"] }),
    ...allowAllBut(FS_IOC_FSSETXATTR_POWERPC, { onlyArchitectures: ["ppc64le"] }),
  ],
};

import { isInUserNamespace, kernelOption, mountOf } from "../platform/index.ts";
import type { QuotaState } from "./kernel.ts";

/** What each file system needs of the kernel, and how its project quotas are switched on. */
const KINDS: Readonly<Record<string, { option: string; mend: (device: string) => string }>> = {
  ext4: {
    option: "CONFIG_QFMT_V2",
    mend: (device) =>
      `unmount it, run tune2fs -O quota,project -Q prjquota ${device}, and mount it with the option prjquota`,
  },
  xfs: {
    option: "CONFIG_XFS_QUOTA",
    mend: () =>
      "unmount it and mount it with the option prjquota (for the machine's root: rootflags=prjquota on the kernel's command line)",
  },
};

/** Why nothing can be limited on the file system of a folder, and what to do about it; undefined when it can. */
export function whatIsMissing(folder: string, state: QuotaState): string | undefined {
  if (isInUserNamespace())
    return "disk quotas are set by root of the machine alone, and this engine is in a user namespace: run it as root without --rootless";
  const { type, source, point } = mountOf(folder);
  const kind = KINDS[type];
  if (kind === undefined)
    return `the file system of ${folder} is ${type}, and disk quotas are those of projects on ext4 and xfs: put --data-root on one of these`;
  if (state === "enforced") return undefined;
  const where = `the file system of ${folder} (${type}, mounted at ${point})`;
  if (state === "counted")
    return `${where} counts what projects take and does not limit it: mount it with the option prjquota`;
  const lacking = ["CONFIG_QUOTACTL", kind.option].find((option) => kernelOption(option) === false);
  return lacking === undefined
    ? `${where} has no project quotas: ${kind.mend(source)}`
    : `${where} has no project quotas, for this kernel was built without ${lacking}: use one that has it, and ${kind.mend(source)}`;
}

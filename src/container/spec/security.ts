import { existsSync } from "node:fs";
import { invalid, unsupported } from "../../errors/index.ts";
import {
  DEFAULT_PROFILE,
  PROJECT_KEEPING_PROFILE,
  parseSeccompProfile,
  type SeccompProfile,
} from "../../runtime/seccomp/index.ts";
import type { HostConfig } from "../../wire/index.ts";
import type { ContainerDefinition } from "../record.ts";

export interface SecurityOptions {
  /** undefined: no filter. */
  readonly seccomp: SeccompProfile | undefined;
  readonly noNewPrivileges: boolean;
  /** `systempaths=unconfined`: nothing masked or read-only. */
  readonly systemPathsUnconfined: boolean;
  /** What is asked for and has no effect on this host. */
  readonly warnings: string[];
}

/** The filter of a container: the engine's own is another one where disk quotas have to hold. */
export function seccompOf(
  { layerLimitBytes, mounts }: Pick<ContainerDefinition, "layerLimitBytes" | "mounts">,
  host: HostConfig,
): SeccompProfile | undefined {
  const { seccomp } = parseSecurityOptions(host);
  const isLimited = layerLimitBytes !== undefined || mounts.some(({ limited }) => limited === true);
  return isLimited && seccomp === DEFAULT_PROFILE ? PROJECT_KEEPING_PROFILE : seccomp;
}

/**
 * `--security-opt` words. A policy that this host enforces and this engine cannot set is refused; one that the host
 * does not enforce at all is accepted with a warning, for Docker takes it there too.
 */
export function parseSecurityOptions({ SecurityOpt, Privileged }: HostConfig): SecurityOptions {
  let seccomp: SeccompProfile | undefined = Privileged ? undefined : DEFAULT_PROFILE;
  let noNewPrivileges = false;
  let systemPathsUnconfined = Privileged;
  const warnings: string[] = [];
  for (const option of SecurityOpt ?? []) {
    const [, key = option, value = ""] = /^([^=:]+)[=:](.*)$/s.exec(option) ?? [];
    switch (key) {
      case "no-new-privileges":
        if (!["", "true", "false"].includes(value)) throw invalid(`invalid --security-opt 2: "${option}"`);
        noNewPrivileges = value !== "false";
        break;
      case "seccomp":
        if (value === "unconfined") seccomp = undefined;
        else if (value === "builtin") seccomp = DEFAULT_PROFILE;
        else seccomp = parseSeccompProfile(value);
        break;
      case "apparmor":
        if (value === "unconfined") break;
        if (existsSync("/sys/kernel/security/apparmor"))
          throw unsupported(`this engine sets no AppArmor profile: cannot apply ${value}`);
        warnings.push(`AppArmor is not enabled on this host: the profile ${value} is not applied.`);
        break;
      case "label":
        if (value === "disable") break;
        if (existsSync("/sys/fs/selinux/enforce"))
          throw unsupported(`this engine sets no SELinux label: cannot apply ${value}`);
        warnings.push(`SELinux is not enabled on this host: the label ${value} is not applied.`);
        break;
      case "systempaths":
        if (value !== "unconfined") throw invalid(`invalid --security-opt: "${option}"`);
        systemPathsUnconfined = true;
        break;
      default:
        throw invalid(`invalid --security-opt 2: "${option}"`);
    }
  }
  return { seccomp, noNewPrivileges, systemPathsUnconfined, warnings };
}

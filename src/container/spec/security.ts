import { invalid, unsupported } from "../../errors/index.ts";
import { DEFAULT_PROFILE, parseSeccompProfile, type SeccompProfile } from "../../runtime/seccomp/index.ts";
import type { HostConfig } from "../../wire/index.ts";

export interface SecurityOptions {
  /** undefined: no filter. */
  readonly seccomp: SeccompProfile | undefined;
  readonly noNewPrivileges: boolean;
  /** `systempaths=unconfined`: nothing masked or read-only. */
  readonly systemPathsUnconfined: boolean;
}

/** `--security-opt` words. A policy that this engine cannot enforce is refused, never passed over. */
export function parseSecurityOptions({ SecurityOpt, Privileged }: HostConfig): SecurityOptions {
  let seccomp: SeccompProfile | undefined = Privileged ? undefined : DEFAULT_PROFILE;
  let noNewPrivileges = false;
  let systemPathsUnconfined = Privileged;
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
        if (value !== "unconfined")
          throw unsupported(`AppArmor is not enabled in this engine: cannot apply profile ${value}`);
        break;
      case "label":
        if (value !== "disable")
          throw unsupported(`SELinux is not enabled in this engine: cannot apply label ${value}`);
        break;
      case "systempaths":
        if (value !== "unconfined") throw invalid(`invalid --security-opt: "${option}"`);
        systemPathsUnconfined = true;
        break;
      default:
        throw invalid(`invalid --security-opt 2: "${option}"`);
    }
  }
  return { seccomp, noNewPrivileges, systemPathsUnconfined };
}

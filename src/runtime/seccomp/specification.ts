import { arch, release } from "node:os";
import { applies, COMPATIBLE, GO_ARCHITECTURES } from "./compiler.ts";
import type { SeccompAction, SeccompProfile } from "./profile.ts";

const actionName = (action: SeccompAction): string => `SCMP_ACT_${action.toUpperCase()}`;

/** Flags of seccomp(2) that a profile can have. */
const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [2, "SECCOMP_FILTER_FLAG_LOG"],
  [4, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
];

/**
 * A profile as the OCI specification has it (config-linux.md, seccomp), with all conditions decided for a process with
 * these capabilities on this machine. For JSON.stringify: numbers beyond a double's reach are in it as they are.
 */
export function specificationOf(profile: SeccompProfile, capabilities: ReadonlySet<string>): object {
  const goArch = GO_ARCHITECTURES[arch()] ?? arch();
  const native = NATIVE[goArch] ?? goArch;
  const others =
    profile.architectures === "native-with-compatible" ? (COMPATIBLE[goArch] ?? []) : profile.architectures;
  return {
    defaultAction: actionName(profile.defaultAction),
    ...(profile.defaultAction === "errno" ? { defaultErrnoRet: profile.defaultErrno } : {}),
    architectures: [native, ...others].map((name) => `SCMP_ARCH_${name.toUpperCase()}`),
    flags: FLAGS.filter(([bit]) => (profile.flags & bit) !== 0).map(([, name]) => name),
    syscalls: profile.rules
      .filter((rule) => applies(rule, capabilities, goArch, release()))
      .map(({ names, action, errno, args }) => ({
        names,
        action: actionName(action),
        ...(action === "errno" ? { errnoRet: errno ?? 1 } : {}),
        args: args.map(({ index, op, value, valueTwo }) => ({
          index,
          value: JSON.rawJSON(String(value)),
          valueTwo: JSON.rawJSON(String(valueTwo)),
          op: `SCMP_CMP_${op}`,
        })),
      })),
  };
}

const NATIVE: Readonly<Record<string, string>> = { amd64: "x86_64", arm64: "aarch64" };

import { arch, release } from "node:os";
import { applies, GO_ARCHITECTURES } from "./compiler.ts";
import type { SeccompAction, SeccompProfile } from "./profile.ts";

export interface Verdicts {
  /** Of system calls that no rule is about. */
  readonly default: SeccompAction;
  /** How many system calls have each verdict; `conditional` of them only with certain arguments. */
  readonly counts: readonly {
    readonly action: SeccompAction;
    readonly calls: number;
    readonly conditional: number;
  }[];
}

/** What a profile decides for a process with these capabilities on this machine, counted by names of system calls. */
export function countVerdicts(profile: SeccompProfile, capabilities: ReadonlySet<string>): Verdicts {
  const goArch = GO_ARCHITECTURES[arch()] ?? arch();
  const byAction = new Map<SeccompAction, Map<string, "always" | "conditional">>();
  for (const rule of profile.rules) {
    if (!applies(rule, capabilities, goArch, release())) continue;
    const names = byAction.get(rule.action) ?? new Map();
    byAction.set(rule.action, names);
    for (const name of rule.names)
      if (rule.args.length === 0) names.set(name, "always");
      else if (!names.has(name)) names.set(name, "conditional");
  }
  return {
    default: profile.defaultAction,
    counts: [...byAction].map(([action, names]) => ({
      action,
      calls: names.size,
      conditional: [...names.values()].filter((kind) => kind === "conditional").length,
    })),
  };
}

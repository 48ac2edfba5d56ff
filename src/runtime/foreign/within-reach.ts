import { readFileSync } from "node:fs";
import { capabilityNames } from "../capability/index.ts";
import type { Process } from "../spec/index.ts";

/**
 * A process without what the engine itself lacks and so can give to nobody: capabilities, and an oom_score_adj below its
 * own. The engine's own runtime leaves these out as well; others fail.
 */
export function withinReach(process: Process): Process {
  const held = new Set(capabilityNames(BigInt(`0x${statusOf("CapPrm")}`)));
  const { capabilities, oomScoreAdj } = process;
  const own = Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
  const isTooLow = oomScoreAdj !== undefined && oomScoreAdj < own && !held.has("CAP_SYS_RESOURCE");
  const reachable = (names: readonly string[]) => names.filter((name) => held.has(name));
  return {
    ...process,
    capabilities: {
      bounding: reachable(capabilities.bounding),
      effective: reachable(capabilities.effective),
      permitted: reachable(capabilities.permitted),
      inheritable: reachable(capabilities.inheritable),
      ambient: reachable(capabilities.ambient),
    },
    ...(isTooLow ? { oomScoreAdj: own } : {}),
  };
}

/** A line of proc_pid_status(5). */
const statusOf = (name: string): string =>
  new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { conflict, messageOf, unsupported } from "../../errors/index.ts";
import { type CgroupLayout, legacyFolder } from "./layout.ts";

const RUNTIME = "cpu.rt_runtime_us";
const PERIOD = "cpu.rt_period_us";

/**
 * What processes with a real-time priority may run in each period, in microseconds (the kernel's
 * Documentation/scheduler/sched-rt-group.rst; of version 1 alone).
 */
export interface RealtimeBudget {
  readonly periodUs: number;
  readonly runtimeUs: number;
}

/**
 * Give a group and those above it, but not the root, a budget that the groups below share. Throws unsupported where the
 * cpu controller knows none, conflict when the kernel has not so much left or groups below have more already.
 */
export function giveRealtime(layout: CgroupLayout, group: string, budget: RealtimeBudget): void {
  const names = group.split("/").filter((name) => name !== "");
  for (let depth = 1; depth <= names.length; depth++) {
    const folder = legacyFolder(layout, names.slice(0, depth).join("/"), "cpu");
    if (folder === undefined || !existsSync(join(folder, RUNTIME)))
      throw unsupported(
        `control groups of this kernel have no real-time processor time (${RUNTIME}): start the daemon without --cpu-rt-runtime`,
      );
    try {
      writeFileSync(join(folder, PERIOD), String(budget.periodUs));
      writeFileSync(join(folder, RUNTIME), String(budget.runtimeUs));
    } catch (cause) {
      throw conflict(
        `${folder} cannot have a real-time runtime of ${budget.runtimeUs} in ${budget.periodUs} µs (${messageOf(cause)}): the groups above have less left, or those below have more already`,
        { cause },
      );
    }
  }
}

/** The share of its time, 0 to 1, that a group may give to real-time processes; undefined where groups know none. */
export function realtimeShare(layout: CgroupLayout, group: string): number | undefined {
  const folder = legacyFolder(layout, group, "cpu");
  if (folder === undefined || !existsSync(join(folder, RUNTIME))) return undefined;
  const read = (file: string) => Number(readFileSync(join(folder, file), "utf8"));
  return read(RUNTIME) / read(PERIOD);
}

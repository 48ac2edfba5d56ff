import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf, internal, unsupported } from "../../errors/index.ts";
import { watchFile } from "../../platform/index.ts";
import { type CgroupLayout, hasGroups, legacyFolder, unifiedFolder } from "./layout.ts";

/** How long a process in an uninterruptible call may hold up a freeze before it is given up. */
const FREEZE_LIMIT_MS = 10_000;

/**
 * Stop every process of a group where it is (kernel: cgroup-v1/freezer-subsystem, admin-guide/cgroup-v2). Resolves when
 * all stand still. Throws internal, with everything thawed again, when one cannot be stopped in time.
 */
export async function freeze(layout: CgroupLayout, path: string): Promise<void> {
  const legacy = legacyFolder(layout, path, "freezer");
  if (!hasGroups(layout))
    throw unsupported(
      "this engine has no control groups, without which the processes of a container cannot be stopped where they are",
    );
  const frozen =
    legacy === undefined ? await freezeUnified(unified(layout, path)) : await freezeLegacy(legacy);
  if (frozen) return;
  thaw(layout, path);
  throw internal("the processes of the container could not be frozen: one of them cannot be interrupted");
}

export function thaw(layout: CgroupLayout, path: string): void {
  const legacy = legacyFolder(layout, path, "freezer");
  if (legacy === undefined) writeFileSync(`${unified(layout, path)}/cgroup.freeze`, "0");
  else writeFileSync(`${legacy}/freezer.state`, "THAWED");
}

/** Whether a group is frozen, or about to be. One that is gone is not. */
export function isFrozen(layout: CgroupLayout, path: string): boolean {
  if (!hasGroups(layout)) return false;
  const legacy = legacyFolder(layout, path, "freezer");
  try {
    if (legacy !== undefined) return readFileSync(`${legacy}/freezer.state`, "utf8").trim() !== "THAWED";
    return readFileSync(`${unified(layout, path)}/cgroup.freeze`, "utf8").trim() === "1";
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENODEV") return false;
    throw error;
  }
}

/** Version 1 tells nobody when it is done; asking moves it on, for the state is worked out when it is read. */
async function freezeLegacy(folder: string): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < FREEZE_LIMIT_MS; waitedMs += 5) {
    // A process that was made while others froze is caught by writing once more.
    writeFileSync(`${folder}/freezer.state`, "FROZEN");
    if (readFileSync(`${folder}/freezer.state`, "utf8").trim() === "FROZEN") return true;
    await sleep(5);
  }
  return false;
}

async function freezeUnified(folder: string): Promise<boolean> {
  const signal = AbortSignal.timeout(FREEZE_LIMIT_MS);
  using events = watchFile(`${folder}/cgroup.events`);
  writeFileSync(`${folder}/cgroup.freeze`, "1");
  while (!/^frozen 1$/m.test(readFileSync(`${folder}/cgroup.events`, "utf8"))) {
    if (signal.aborted) return false;
    await events.changed(signal);
  }
  return true;
}

function unified(layout: CgroupLayout, path: string): string {
  const folder = unifiedFolder(layout, path);
  if (folder === undefined) throw internal("this machine has no freezer: neither cgroup version serves it");
  return folder;
}

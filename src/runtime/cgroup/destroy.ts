import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf, internal } from "../../errors/index.ts";
import { controlGroup } from "./control.ts";
import { type CgroupLayout, foldersOf } from "./layout.ts";

const LIMIT_MS = 10_000;

/** Kill what is left in a group and in those below it, and remove them all. Safe to repeat. */
export async function destroyGroup(layout: CgroupLayout, path: string): Promise<void> {
  const folders = foldersOf(layout, path).map(({ folder }) => folder);
  const group = controlGroup(layout, path);
  // The kernel tells nobody when a killed process has left its group of version 1.
  for (let waitedMs = 0; waitedMs < LIMIT_MS; waitedMs += 5) {
    if (group.isFrozen()) group.thaw();
    for (const pid of group.processes()) kill(pid);
    if (folders.filter((folder) => !removeTree(folder)).length === 0) return;
    await sleep(5);
  }
  throw internal(`the control group ${path} could not be removed: processes in it do not end`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (errnoOf(error) !== "ESRCH") throw error;
  }
}

/** Innermost first. False when somebody is still in it. */
function removeTree(folder: string): boolean {
  if (!existsSync(folder)) return true;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory() && !removeTree(join(folder, entry.name))) return false;
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return true;
    if (errnoOf(error) === "EBUSY") return false;
    throw error;
  }
}

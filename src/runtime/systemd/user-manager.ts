import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connectManager, type ManagerAddress } from "./manager.ts";

/** The manager of the user that this process is, or is as the root of a user namespace; undefined when he has none. */
export function userManager(): ManagerAddress | undefined {
  const uid = outerUid();
  const socket = join(process.env.XDG_RUNTIME_DIR ?? `/run/user/${uid}`, "bus");
  return existsSync(socket) ? { socket, uid } : undefined;
}

/** Who this process is to the outside: of "INSIDE OUTSIDE COUNT" lines in uid_map (user_namespaces(7)). */
function outerUid(): number {
  const uid = process.getuid?.() ?? 0;
  for (const line of readFileSync("/proc/self/uid_map", "utf8").trim().split("\n")) {
    const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number);
    if (uid >= inside && uid < inside + count) return outside + uid - inside;
  }
  return uid;
}

/** The control group of version 2 that this process is in, "" when there is no such (cgroups(7)). */
export function ownGroup(): string {
  return /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "";
}

/**
 * Put this process below the user's manager, where it may make control groups: a session (a login over ssh, a terminal) is
 * beside it, and the kernel lets nobody but root move a process from there. False without such a manager.
 */
export async function moveBelowUserManager(unit: string): Promise<boolean> {
  const address = userManager();
  if (address === undefined) return false;
  await using manager = await connectManager(address);
  if (ownGroup().startsWith(`${manager.controlGroup}/`)) return true;
  await manager.startScope({
    name: unit,
    slice: "app.slice",
    description: "Gantry's daemon",
    pid: process.pid,
    properties: [],
  });
  return true;
}

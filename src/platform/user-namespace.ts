import { readFileSync } from "node:fs";

const ALL_IDS = 0xffff_ffff;

/** How many ids this process's user namespace has from 0 on without a gap (user_namespaces(7)); all in the first one. */
export function ownIds(kind: "uid" | "gid"): number {
  let end = 0;
  for (const line of readFileSync(`/proc/self/${kind}_map`, "utf8").trim().split("\n")) {
    const [inside = Number.NaN, , count = 0] = line.trim().split(/\s+/).map(Number);
    if (inside === end) end += count;
  }
  return end;
}

/** Whether this process is in a user namespace of somebody's, where root is not the machine's. */
export const isInUserNamespace = (): boolean => ownIds("uid") < ALL_IDS;

import { readFileSync } from "node:fs";

/** One line of /proc/self/mounts (proc(5)). */
export interface Mounted {
  /** Usually a device. */
  readonly source: string;
  readonly point: string;
  /** "ext4", … */
  readonly type: string;
}

/** The mount that a folder lies on: that of the longest mount point that is a prefix of its path, the last of several. */
export function mountOf(folder: string): Mounted {
  let best: Mounted = { source: "", point: "", type: "unknown" };
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const [source = "", point = "", type = ""] = line.split(" ");
    const prefix = point.endsWith("/") ? point : `${point}/`;
    if (point !== "" && `${folder}/`.startsWith(prefix) && point.length >= best.point.length)
      best = { source, point, type };
  }
  return best;
}

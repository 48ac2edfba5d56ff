import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Where the native helper goes when the state folder is on a file system from which nothing may be executed. */
const ELSEWHERE = "/var/lib/gantry-oci/bin";

/** The folder of the native helper: in the state folder, unless that is on one of the many /run that are mounted noexec. */
export function shimFolder(root: string, mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): string {
  let best = { point: "", options: "" };
  for (const line of mountinfo.split("\n")) {
    const [, , , , point = "", options = ""] = line.split(" ");
    const prefix = point.endsWith("/") ? point : `${point}/`;
    // The last mount on a place is the one that is seen.
    if (point !== "" && `${root}/`.startsWith(prefix) && point.length >= best.point.length)
      best = { point, options };
  }
  return best.options.split(",").includes("noexec") ? ELSEWHERE : join(root, "@bin");
}

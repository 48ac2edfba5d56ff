import { readFileSync } from "node:fs";

/**
 * Who keeps the weights of a disk ("major:minor"): its scheduler bfq (kernel: block/bfq-iosched), the cost model of cgroup v2
 * (admin-guide/cgroup-v2, "IO"), or nobody.
 */
export type WeightKeeper = "bfq" | "cost" | "nobody";

export function weightKeeper(device: string): WeightKeeper {
  if (/\[bfq\]/.test(read(`/sys/dev/block/${device}/queue/scheduler`))) return "bfq";
  const costs = read("/sys/fs/cgroup/io.cost.qos").split("\n");
  return costs.some((line) => line.startsWith(`${device} enable=1`)) ? "cost" : "nobody";
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // A disk without a queue of its own (a partition), or a kernel without the file: then nobody keeps them by it.
    return "";
  }
}

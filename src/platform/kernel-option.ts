import { readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";
import { errnoOf } from "../errors/index.ts";

/** Where a kernel tells how it was built: itself, or the distribution beside it. */
const PLACES: readonly (() => string)[] = [
  () => gunzipSync(readFileSync("/proc/config.gz")).toString("utf8"),
  () => readFileSync(`/boot/config-${release()}`, "utf8"),
];

/** Whether the running kernel was built with an option ("CONFIG_QUOTACTL"), also as a module; undefined when nobody tells. */
export function kernelOption(name: string): boolean | undefined {
  for (const read of PLACES) {
    try {
      return new RegExp(`^${name}=[ym]$`, "m").test(read());
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
  return undefined;
}

import { readFileSync } from "node:fs";

/** Names this run of the kernel (random(4), /proc/sys/kernel/random/boot_id): another one after every boot. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

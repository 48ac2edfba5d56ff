import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const WINDOW_MS = 40;
const BUSY_SHARE = 0.1;
const LIMIT_MS = 5000;

/**
 * Wait until the processors have nothing to do, five seconds at most. Engines go on working after their client has left
 * (podman's clean-up process, containerd's shim, a journal's commit); without this the engine that is measured next
 * pays for it. Reads the kernel's account of time, proc_stat(5), because nothing announces an idle machine.
 */
export async function waitForQuiet(): Promise<void> {
  const until = performance.now() + LIMIT_MS;
  let before = processorTime();
  while (performance.now() < until) {
    await sleep(WINDOW_MS);
    const now = processorTime();
    const total = now.total - before.total;
    if (total > 0 && (now.busy - before.busy) / total <= BUSY_SHARE) return;
    before = now;
  }
}

/** Ticks of all processors since boot: fields of the first line of /proc/stat, in its order. */
function processorTime(): { readonly busy: number; readonly total: number } {
  const [first = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0] = first
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = user + nice + system + irq + softirq;
  return { busy, total: busy + idle + wait };
}

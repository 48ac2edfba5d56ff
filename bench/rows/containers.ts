import { residentBytes } from "../processes.ts";
import type { Row } from "../row.ts";
import { prepare, time, timeAll } from "../run.ts";

const MB = 1024 * 1024;
const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

/** Starting, running into and removing containers. */
export const containerRows: readonly Row[] = [
  {
    name: "run --rm, bridge",
    target: 0.12,
    unit: "ms",
    rounds: 15,
    sample: (peer) => time(peer, "run", "--rm", "busybox", "true"),
  },
  {
    name: "run --rm, no network",
    target: 0.12,
    unit: "ms",
    rounds: 15,
    sample: (peer) => time(peer, "run", "--rm", "--network", "none", "busybox", "true"),
  },
  {
    name: "exec",
    target: 0.35,
    unit: "ms",
    rounds: 20,
    prepare: async (peer) => {
      await prepare(peer, "run", "-d", "--name", "bench-exec", "busybox", "sleep", "1000");
    },
    sample: (peer) => time(peer, "exec", "bench-exec", "true"),
    finish: async (peer) => {
      await prepare(peer, "rm", "-f", "bench-exec");
    },
  },
  {
    name: "20 runs in parallel",
    target: 0.15,
    unit: "ms",
    rounds: 3,
    sample: (peer) =>
      timeAll(
        peer,
        numbers(20).map(() => ["run", "--rm", "busybox", "true"]),
      ),
  },
  {
    name: "50 detached, rm -f",
    target: 0.12,
    unit: "ms",
    rounds: 2,
    async sample(peer) {
      const names = numbers(50).map((number) => `bench-${number}`);
      let ms = 0;
      for (const name of names)
        ms += await time(peer, "run", "-d", "--name", name, "busybox", "sleep", "1000");
      return ms + (await time(peer, "rm", "-f", ...names));
    },
  },
  {
    name: "idle daemon memory",
    target: 0.5,
    unit: "MB",
    rounds: 1,
    async sample(peer) {
      return peer.daemonPids().reduce((sum, pid) => sum + residentBytes(pid), 0) / MB;
    },
  },
  {
    name: "memory of each container's shim",
    target: 0.07,
    unit: "MB",
    rounds: 1,
    async sample(peer) {
      const names = numbers(10).map((number) => `bench-shim-${number}`);
      for (const name of names) await prepare(peer, "run", "-d", "--name", name, "busybox", "sleep", "1000");
      const bytes = peer.shimPids().reduce((sum, pid) => sum + residentBytes(pid), 0);
      await prepare(peer, "rm", "-f", ...names);
      return bytes / names.length / MB;
    },
  },
];

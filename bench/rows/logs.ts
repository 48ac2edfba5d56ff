import type { Row } from "../row.ts";
import { prepare, time } from "../run.ts";

/** 100 MB in lines of a hundred bytes, as programs write them. */
const WRITE = `yes ${"x".repeat(99)} | head -c 104857600`;

export const logRows: readonly Row[] = [
  {
    name: "a container writes 100 MB of log",
    target: 0.15,
    unit: "ms",
    rounds: 2,
    async sample(peer) {
      await prepare(
        peer,
        "create",
        "--name",
        "bench-log",
        ...LOG_OPTIONS(peer.name),
        "busybox",
        "sh",
        "-c",
        WRITE,
      );
      const ms = await time(peer, "start", "bench-log").then(
        async (start) => start + (await time(peer, "wait", "bench-log")),
      );
      await prepare(peer, "rm", "-f", "bench-log");
      return ms;
    },
  },
  {
    name: "reading 100 MB of log",
    target: 0.15,
    unit: "ms",
    rounds: 2,
    async prepare(peer) {
      await prepare(
        peer,
        "create",
        "--name",
        "bench-read",
        ...LOG_OPTIONS(peer.name),
        "busybox",
        "sh",
        "-c",
        WRITE,
      );
      await prepare(peer, "start", "bench-read");
      await prepare(peer, "wait", "bench-read");
    },
    sample: (peer) => time(peer, "logs", "bench-read"),
    finish: async (peer) => {
      await prepare(peer, "rm", "-f", "bench-read");
    },
  },
];

/** The same file format for all; podman calls it k8s-file and has no rotation by default. */
const LOG_OPTIONS = (peer: string): string[] => [
  "--log-driver",
  peer === "podman" ? "k8s-file" : "json-file",
  ...(peer === "podman" ? [] : ["--log-opt", "max-size=1g"]),
];

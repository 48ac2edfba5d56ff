import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Peer } from "../peer.ts";
import type { Material, Row } from "../row.ts";
import { prepare, time } from "../run.ts";

const STEPS = Array.from({ length: 8 }, (_, step) => `RUN echo ${step} > /step-${step}`).join("\n");

/** Stages that do not need each other, each with something to wait for and something to compute, and one that takes from all. */
const STAGES = 10;
const PARALLEL = [
  ...Array.from(
    { length: STAGES },
    (_, at) =>
      `FROM busybox AS part-${at}\nRUN sleep 0.2; head -c 20000000 /dev/zero | sha256sum >/part-${at}`,
  ),
  "FROM busybox",
  ...Array.from({ length: STAGES }, (_, at) => `COPY --from=part-${at} /part-${at} /`),
].join("\n");

const LARGE_FILES = 20;
const LARGE_BYTES = 100 << 20;

/** 2 GB of files that no step needs, and one that changes. */
function makeLarge(context: string): void {
  // Once for all engines: what another one's row wrote anew would be new to each.
  if (existsSync(context)) return;
  mkdirSync(join(context, "large"), { recursive: true });
  writeFileSync(join(context, "Dockerfile"), "FROM busybox\nCOPY file /file\n");
  const bytes = Buffer.alloc(LARGE_BYTES, "a file of a large context\n");
  for (let at = 0; at < LARGE_FILES; at++) {
    bytes.writeUInt32LE(at);
    writeFileSync(join(context, "large", String(at)), bytes);
  }
}

export function buildRows({ folder }: Material): readonly Row[] {
  const context = join(folder, "context");
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, "file"), "copied\n");
  writeFileSync(join(context, "Dockerfile"), `FROM busybox\n${STEPS}\nCOPY file /file\n`);
  const parallel = join(folder, "parallel-context");
  mkdirSync(parallel, { recursive: true });
  writeFileSync(join(parallel, "Dockerfile"), `${PARALLEL}\n`);
  const large = join(folder, "large-context");
  let changes = 0;
  const buildLarge = (peer: Peer) => {
    writeFileSync(join(large, "file"), `change ${changes++}\n`);
    return time({ ...peer, command: peer.own ?? peer.command }, "build", "-q", "-t", "bench-build", large);
  };
  return [
    {
      name: "build, 2 GB of context, one file changed",
      target: 0.25,
      unit: "ms",
      rounds: 2,
      prepare: async (peer) => {
        makeLarge(large);
        await buildLarge(peer);
      },
      sample: buildLarge,
      finish: async () => rmSync(large, { recursive: true, force: true }),
    },
    {
      name: "build --no-cache, 8 RUN and COPY",
      target: 0.25,
      unit: "ms",
      rounds: 3,
      sample: (peer) => time(peer, "build", "-q", "--no-cache", "-t", "bench-build", context),
    },
    {
      name: `build --no-cache, ${STAGES} stages side by side`,
      target: 0.25,
      unit: "ms",
      rounds: 3,
      sample: (peer) => time(peer, "build", "-q", "--no-cache", "-t", "bench-build", parallel),
    },
    {
      name: "build, all of it cached",
      target: 0.5,
      unit: "ms",
      rounds: 5,
      prepare: async (peer) => {
        await prepare(peer, "build", "-q", "-t", "bench-build", context);
      },
      sample: (peer) => time(peer, "build", "-q", "-t", "bench-build", context),
    },
  ];
}

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Material, Row } from "../row.ts";
import { prepare, time } from "../run.ts";

const STEPS = Array.from({ length: 8 }, (_, step) => `RUN echo ${step} > /step-${step}`).join("\n");

export function buildRows({ folder }: Material): readonly Row[] {
  const context = join(folder, "context");
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, "file"), "copied\n");
  writeFileSync(join(context, "Dockerfile"), `FROM busybox\n${STEPS}\nCOPY file /file\n`);
  return [
    {
      name: "build --no-cache, 8 RUN and COPY",
      target: 0.25,
      unit: "ms",
      rounds: 3,
      sample: (peer) => time(peer, "build", "-q", "--no-cache", "-t", "bench-build", context),
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

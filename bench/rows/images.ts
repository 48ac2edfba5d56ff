import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../../test/harness/index.ts";
import type { Material, Reference, Row } from "../row.ts";
import { prepare, time } from "../run.ts";

export function imageRows({ folder, rootfs, debianArchive }: Material): readonly Row[] {
  const remove = (image: string) => async (peer: Parameters<Row["sample"]>[0]) => {
    await prepare(peer, "rmi", "-f", image);
  };
  const reference: Reference = {
    name: "tar -x of the root file system",
    atMost: 1.3,
    async sample() {
      const place = mkdtempSync(join(folder, "tar-"));
      const started = performance.now();
      const { exitCode, stderr } = await runProgram("tar", ["-xpf", rootfs, "-C", place], {
        limitMs: 300_000,
      });
      const ms = performance.now() - started;
      rmSync(place, { recursive: true });
      if (exitCode !== 0) throw new Error(`tar: ${stderr}`);
      return ms;
    },
  };
  return [
    {
      name: "load, a Debian root file system",
      target: 0.4,
      unit: "ms",
      rounds: 5,
      reference,
      async sample(peer) {
        const ms = await time(peer, "load", "-q", "-i", debianArchive);
        await remove("debian")(peer);
        return ms;
      },
    },
    {
      name: "import, a Debian root file system",
      target: 0.4,
      unit: "ms",
      rounds: 5,
      reference,
      async sample(peer) {
        const ms = await time(peer, "import", rootfs, "bench-import");
        await remove("bench-import")(peer);
        return ms;
      },
    },
    {
      name: "save, a Debian root file system",
      target: 0.6,
      unit: "ms",
      rounds: 5,
      prepare: async (peer) => {
        await prepare(peer, "load", "-q", "-i", debianArchive);
      },
      async sample(peer) {
        const file = join(folder, "save.tar");
        return time(peer, "save", "-o", file, "debian");
      },
      finish: remove("debian"),
    },
  ];
}

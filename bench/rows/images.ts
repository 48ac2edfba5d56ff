import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../../test/harness/index.ts";
import type { Material, Reference, Row } from "../row.ts";
import { prepare, time } from "../run.ts";

const SHIM = join(import.meta.dirname, "../../native/build/gantry-shim");

export function imageRows({ folder, rootfs, debianArchive }: Material): readonly Row[] {
  const remove = (image: string) => async (peer: Parameters<Row["sample"]>[0]) => {
    await prepare(peer, "rmi", "-f", image);
  };
  const timeInFolder = async (program: string, args: (place: string) => string[]): Promise<number> => {
    const place = mkdtempSync(join(folder, "unpacked-"));
    const started = performance.now();
    const { exitCode, stderr } = await runProgram(
      "sh",
      ["-c", `exec "$0" "$@" < ${rootfs}`, program, ...args(place)],
      {
        limitMs: 300_000,
      },
    );
    const ms = performance.now() - started;
    rmSync(place, { recursive: true });
    if (exitCode !== 0) throw new Error(`${program}: ${stderr}`);
    return ms;
  };
  const tar: Reference = {
    name: "tar -x of the root file system",
    atMost: 1.3,
    sample: () => timeInFolder("tar", (place) => ["-xpf", "-", "-C", place]),
  };
  return [
    {
      name: "unpack of a layer, a Debian root file system",
      unit: "ms",
      rounds: 5,
      peers: ["gantry"],
      reference: tar,
      sample: () => timeInFolder(SHIM, (place) => ["unpack", place]),
    },
    {
      name: "load, a Debian root file system",
      target: 0.4,
      unit: "ms",
      rounds: 5,
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
        // Podman does not write over an archive.
        rmSync(file, { force: true });
        return time(peer, "save", "-o", file, "debian");
      },
      finish: remove("debian"),
    },
  ];
}

import { join } from "node:path";
import type { Material, Row } from "../row.ts";
import { prepare, time } from "../run.ts";

export function imageRows({ folder, rootfs, debianArchive }: Material): readonly Row[] {
  const remove = (image: string) => async (peer: Parameters<Row["sample"]>[0]) => {
    await prepare(peer, "rmi", "-f", image);
  };
  return [
    {
      name: "load, a Debian root file system",
      target: 0.4,
      unit: "ms",
      rounds: 3,
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
      rounds: 3,
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
      rounds: 3,
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

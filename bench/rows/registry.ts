import type { Material, Row } from "../row.ts";
import { prepare, time, timeToOutput } from "../run.ts";

const PLAIN = (peer: string): string[] => (peer === "podman" ? ["--tls-verify=false"] : []);

export function registryRows({ registry, debianArchive, emptyRegistry }: Material): readonly Row[] {
  const image = `${registry}/debian:bench`;
  return [
    {
      name: "pull from a registry on loopback",
      target: 0.4,
      unit: "ms",
      rounds: 3,
      async sample(peer) {
        const ms = await time(peer, "pull", "-q", ...PLAIN(peer.name), image);
        await prepare(peer, "rmi", "-f", image);
        return ms;
      },
    },
    {
      name: "first output of a run whose image is pulled",
      target: 0.4,
      unit: "ms",
      rounds: 3,
      async sample(peer) {
        const run = ["run", "--rm", ...PLAIN(peer.name), image, "echo", "out"];
        const ms = await timeToOutput(peer, ...run);
        await prepare(peer, "rmi", "-f", image);
        return ms;
      },
    },
    {
      name: "push to an empty registry on loopback",
      unit: "ms",
      rounds: 3,
      // The image comes anew each time: what an engine keeps of an earlier push is not to count.
      async sample(peer) {
        const name = `${emptyRegistry.address}/debian:pushed`;
        emptyRegistry.empty();
        await prepare(peer, "load", "-q", "-i", debianArchive);
        await prepare(peer, "tag", "debian", name);
        const ms = await time(peer, "push", "-q", ...PLAIN(peer.name), name);
        await prepare(peer, "rmi", "-f", name, "debian");
        return ms;
      },
    },
  ];
}

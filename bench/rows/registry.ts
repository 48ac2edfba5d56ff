import type { Material, Row } from "../row.ts";
import { prepare, time } from "../run.ts";

const PLAIN = (peer: string): string[] => (peer === "podman" ? ["--tls-verify=false"] : []);

export function registryRows({ registry }: Material): readonly Row[] {
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
  ];
}

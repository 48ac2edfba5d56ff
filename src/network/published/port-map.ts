import type { OpenPort, PublishedPort } from "../../firewall/index.ts";
import type { PortMap } from "../../wire/index.ts";
import type { BoundPort } from "../record.ts";
import type { PortTarget } from "./held-ports.ts";

/** NetworkSettings.Ports: exposed ones null, bound ones with every address they are held on. */
export function portMap(exposed: readonly string[], bound: readonly BoundPort[]): PortMap {
  const map: PortMap = Object.fromEntries(
    exposed.map((key) => [key.includes("/") ? key : `${key}/tcp`, null]),
  );
  for (const { hostAddress, hostPort, protocol, containerPort } of bound) {
    const key = `${containerPort}/${protocol}`;
    const addresses = hostAddress === "" ? ["0.0.0.0", "::"] : [hostAddress];
    map[key] = [...(map[key] ?? []), ...addresses.map((HostIp) => ({ HostIp, HostPort: String(hostPort) }))];
  }
  return map;
}

/** What the kernel translates: each family of the host's to the same family of the container's. */
export function translated(ports: readonly BoundPort[], { ipv4, ipv6 }: PortTarget): PublishedPort[] {
  return ports.flatMap(({ hostAddress, hostPort, protocol, containerPort }) => {
    const isSix = hostAddress.includes(":");
    const common = { hostAddress, hostPort, protocol, containerPort };
    return [
      ...(ipv4 !== undefined && !isSix ? [{ ...common, family: 4 as const, containerAddress: ipv4 }] : []),
      // Packets to ::1 do not leave the loopback interface; they are carried by the daemon.
      ...(ipv6 !== undefined && (hostAddress === "" || isSix) && hostAddress !== "::1"
        ? [
            {
              ...common,
              hostAddress: hostAddress === "::" ? "" : hostAddress,
              family: 6 as const,
              containerAddress: ipv6,
            },
          ]
        : []),
    ];
  });
}

/** Ports of a container in a routed network, open at its own address. */
export function opened(ports: readonly BoundPort[], { ipv4, ipv6 }: PortTarget): OpenPort[] {
  return ports.flatMap(({ protocol, containerPort }) => [
    ...(ipv4 === undefined ? [] : [{ family: 4 as const, protocol, containerAddress: ipv4, containerPort }]),
    ...(ipv6 === undefined ? [] : [{ family: 6 as const, protocol, containerAddress: ipv6, containerPort }]),
  ]);
}

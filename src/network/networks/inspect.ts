import { parsePrefix } from "../../units/index.ts";
import type { NetworkInspect } from "../../wire/index.ts";
import type { NetworkContext } from "../context.ts";
import { subnetOf } from "../drivers/index.ts";
import type { NetworkRecord } from "../record.ts";
import { isLive } from "../table.ts";

/** A network as GET /networks/{id} has it; a list of networks leaves the containers out. */
export function inspectNetwork(
  context: Pick<NetworkContext, "table">,
  network: NetworkRecord,
  options: { containers: boolean },
): NetworkInspect {
  const endpoints = options.containers ? context.table.endpointsIn(network.id).filter(isLive) : [];
  const withLength = (address: string | undefined, family: 4 | 6) =>
    address === undefined
      ? ""
      : `${address}/${parsePrefix(subnetOf(network, family)?.subnet ?? "")?.length ?? ""}`;
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: network.enableIPv4,
    EnableIPv6: network.enableIPv6,
    IPAM: {
      Driver: "default",
      Options: network.predefined ? null : network.ipamOptions,
      Config: network.subnets.map(({ subnet, ipRange, gateway, auxAddresses }) => ({
        Subnet: subnet,
        ...(ipRange === undefined ? {} : { IPRange: ipRange }),
        ...(gateway === undefined ? {} : { Gateway: gateway }),
        ...(Object.keys(auxAddresses).length === 0 ? {} : { AuxiliaryAddresses: auxAddresses }),
      })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(
      endpoints.map(({ containerId, live }) => [
        containerId,
        {
          Name: context.table.sandbox(containerId)?.containerName ?? "",
          EndpointID: live.endpointId,
          MacAddress: live.mac,
          IPv4Address: withLength(live.ipv4, 4),
          IPv6Address: withLength(live.ipv6, 6),
        },
      ]),
    ),
    Options: network.options,
    Labels: network.labels,
  };
}

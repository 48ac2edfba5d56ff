import { invalid } from "../../errors/index.ts";
import { randomHex } from "../../platform/index.ts";
import { formatIp, parseIp } from "../../units/index.ts";
import type { NetworkContext } from "../context.ts";
import { randomMac } from "../drivers/index.ts";
import type { EndpointRecord, LiveEndpoint, NetworkRecord, SandboxRequest } from "../record.ts";
import type { LiveRecord } from "../table.ts";
import { nextInterface } from "./interface.ts";

/** Names of a container in a network, in Docker's order; the short id is 12 digits. */
export function namesOf(
  endpoint: EndpointRecord,
  {
    containerName,
    containerId,
    hostname,
  }: Pick<SandboxRequest, "containerName" | "containerId" | "hostname">,
): string[] {
  return [...new Set([containerName, ...endpoint.config.aliases, containerId.slice(0, 12), hostname])].filter(
    (name) => name !== "",
  );
}

/**
 * Take addresses, an interface and names for an endpoint. Nothing of the kernel is touched and no row written; `undo`
 * gives the addresses back. Throws forbidden or conflict when an address cannot be had.
 */
export function allocateEndpoint(
  context: NetworkContext,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  request: Pick<SandboxRequest, "containerName" | "containerId" | "hostname">,
  others: readonly LiveRecord[],
  undo: AsyncDisposableStack | DisposableStack,
): LiveRecord {
  const driver = context.drivers[network.driver];
  const take = (family: 4 | 6): string | undefined => {
    const wanted = family === 4 ? endpoint.config.ipv4 : endpoint.config.ipv6;
    if (!(family === 4 ? network.enableIPv4 : network.enableIPv6)) {
      if (wanted !== undefined) throw invalid(`network ${network.name} has no IPv${family} addresses`);
      return undefined;
    }
    const parsed = wanted === undefined ? undefined : parseIp(wanted);
    const address = formatIp(context.addresses.take(network.id, family, parsed));
    undo.defer(() => context.addresses.release(network.id, address));
    return address;
  };
  if (!driver.hasAddresses) {
    const bare: LiveEndpoint = {
      endpointId: randomHex(32),
      interfaceName: "",
      interfaceIndex: 0,
      mac: "",
      names: [],
    };
    return { ...endpoint, live: bare };
  }
  const [ipv4, ipv6] = [take(4), take(6)];
  const { name, index } = nextInterface(network, endpoint.config, others);
  const live: LiveEndpoint = {
    endpointId: randomHex(32),
    interfaceName: name,
    interfaceIndex: index,
    ...(driver.hasHostEnd ? { hostInterface: `veth${randomHex(4).slice(0, 7)}` } : {}),
    mac: endpoint.config.mac ?? randomMac(),
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    // Names are no matter of the default bridge.
    names: network.predefined ? [] : namesOf(endpoint, request),
  };
  return { ...endpoint, live };
}

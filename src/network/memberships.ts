import { forbidden, invalid } from "../errors/index.ts";
import type { EndpointSettings } from "../wire/index.ts";
import { endpointOf, refuseAlone } from "./attachments.ts";
import type { NetworkContext } from "./context.ts";
import { findNetwork } from "./networks/index.ts";
import { notifyNetwork } from "./notify.ts";
import { plugEndpoint, unplugEndpoint } from "./sandbox/index.ts";
import { isLive } from "./table.ts";

/** Bring a container into a network, running or not. */
export async function connectContainer(
  context: NetworkContext,
  containerId: string,
  reference: string,
  settings: Partial<EndpointSettings>,
  pid: number | undefined,
): Promise<void> {
  const { table } = context;
  const network = findNetwork(context, reference);
  refuseAlone(network);
  using _lock = await context.locks.acquire(network.id);
  const others = table.endpointsOf(containerId);
  for (const { networkId } of others) {
    const other = table.network(networkId);
    if (other !== undefined) refuseAlone(other);
  }
  if (table.endpoint(containerId, network.id) !== undefined) {
    const name = table.sandbox(containerId)?.containerName ?? containerId.slice(0, 12);
    throw forbidden(`endpoint with name ${name} already exists in network ${network.name}`);
  }
  const position = Math.max(-1, ...others.map((endpoint) => endpoint.position)) + 1;
  const endpoint = endpointOf(containerId, network, settings, position);
  const sandbox = table.sandbox(containerId);
  if (pid === undefined || sandbox === undefined) {
    table.putEndpoint(endpoint);
    notifyNetwork(context, network, "connect", containerId);
    return;
  }
  await plugEndpoint(context, sandbox, network, endpoint, pid);
}

/** Take a container out of a network, running or not. */
export async function disconnectContainer(
  context: NetworkContext,
  containerId: string,
  reference: string,
  pid: number | undefined,
): Promise<void> {
  const { table } = context;
  const network = findNetwork(context, reference);
  if (network.driver === "host")
    throw invalid("container cannot be disconnected from host network or connected to host network");
  using _lock = await context.locks.acquire(network.id);
  const endpoint = table.endpoint(containerId, network.id);
  if (endpoint === undefined)
    throw forbidden(`container ${containerId} is not connected to network ${network.name}`);
  const sandbox = table.sandbox(containerId);
  if (pid !== undefined && sandbox !== undefined && isLive(endpoint) && endpoint.live.interfaceName !== "")
    await unplugEndpoint(context, sandbox, endpoint, pid);
  else notifyNetwork(context, network, "disconnect", containerId);
  table.deleteEndpoint(containerId, network.id);
}

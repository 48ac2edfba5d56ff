import type { NetworkContext } from "../context.ts";
import { notifyNetwork } from "../notify.ts";
import { isLive } from "../table.ts";
import { forgetRows, namesKey, refreshLinkers } from "./open.ts";
import { applyPorts } from "./ports.ts";

/**
 * The container has ended and its namespace with it: withdraw rules and ports, free addresses, forget names. No error
 * when there is nothing.
 */
export async function closeSandbox(context: NetworkContext, containerId: string): Promise<void> {
  const { table, zones, addresses, held } = context;
  const sandbox = table.sandbox(containerId);
  if (sandbox === undefined) return;
  const endpoints = table.endpointsOf(containerId).filter(isLive);
  // Its sockets keep the namespace, and so the links, alive.
  if (sandbox.namesPort !== undefined) (await context.names()).close(namesKey(sandbox));
  held.release(containerId);
  await applyPorts(context, "withdraw", sandbox.ports, endpoints);
  forgetRows(context, containerId);
  for (const endpoint of endpoints) {
    zones.remove(endpoint);
    for (const address of [endpoint.live.ipv4, endpoint.live.ipv6])
      if (address !== undefined) addresses.release(endpoint.networkId, address);
    notifyNetwork(context, endpoint.networkId, "disconnect", containerId);
  }
  refreshLinkers(context, sandbox);
}

import { forbidden, invalid } from "../../errors/index.ts";
import { parseTimestamp } from "../../units/index.ts";
import type { Filters } from "../../wire/index.ts";
import type { NetworkContext } from "../context.ts";
import { notifyNetwork } from "../notify.ts";
import type { NetworkRecord } from "../record.ts";
import { isLive } from "../table.ts";
import { findNetwork, networkFilter } from "./find.ts";

/** Remove a network. Throws not-found, or forbidden when it is predefined or has running containers. */
export async function removeNetwork(context: NetworkContext, reference: string): Promise<void> {
  const network = findNetwork(context, reference);
  if (network.predefined) throw forbidden(`${network.name} is a pre-defined network and cannot be removed`);
  using _lock = await context.locks.acquire(network.id);
  if (context.table.network(network.id) === undefined) return;
  const active = context.table.endpointsIn(network.id).filter(isLive);
  if (active.length > 0) {
    const who = active.map(
      ({ containerId, live }) =>
        `name:"${context.table.sandbox(containerId)?.containerName ?? ""}" id:"${live.endpointId.slice(0, 12)}"`,
    );
    throw forbidden(
      `error while removing network: network ${network.name} has active endpoints (${who.join(", ")})`,
    );
  }
  const driver = context.drivers[network.driver];
  const filtered = driver.filtered(network);
  // The row goes last: what a crash leaves undone, the next removal or start does.
  await driver.remove(network);
  if (filtered !== undefined) await context.firewall.removeNetwork(filtered.bridge);
  context.table.deleteNetwork(network.id);
  context.addresses.close(network.id);
  notifyNetwork(context, network, "destroy");
}

/** Remove networks that no container uses, running or not. Gives their names. */
export async function pruneNetworks(context: NetworkContext, filters: Filters): Promise<string[]> {
  const until = [...(filters.get("until") ?? [])];
  if (until.length > 1) throw invalid("more than one until filter specified");
  const limitNs = until[0] === undefined ? undefined : parseTimestamp(until[0], Date.now());
  const matches = networkFilter(context, new Map([...filters].filter(([key]) => key !== "until")));
  const unused = (network: NetworkRecord) =>
    !network.predefined &&
    context.table.endpointsIn(network.id).length === 0 &&
    (limitNs === undefined || BigInt(Date.parse(network.created)) * 1_000_000n < limitNs) &&
    matches(network);
  const removed: string[] = [];
  for (const network of context.table.networks().filter(unused)) {
    await removeNetwork(context, network.id);
    removed.push(network.name);
  }
  return removed;
}

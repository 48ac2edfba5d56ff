import { EngineError } from "../errors/index.ts";
import type { EndpointSettings } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { requireOwnNetworks } from "./network-mode.ts";
import type { ContainerRecord } from "./record.ts";
import { isRunning } from "./state.ts";

const pidOf = ({ state }: ContainerRecord): number | undefined => (isRunning(state) ? state.pid : undefined);

/** Bring a container into a network; a running one gets the interface at once. */
export async function connectToNetwork(
  context: ContainerContext,
  network: string,
  reference: string,
  settings: Partial<EndpointSettings>,
): Promise<void> {
  const { id } = context.table.find(reference);
  using _lock = await context.locks.acquire(id);
  const record = context.table.find(id);
  requireOwnNetworks(record);
  await context.network.connect(id, network, settings, pidOf(record));
}

/** Take a container out of a network. With `force` also one that is no more. */
export async function disconnectFromNetwork(
  context: ContainerContext,
  network: string,
  reference: string,
  force: boolean,
): Promise<void> {
  const found = lookUp(context, reference, force);
  if (found === undefined) {
    context.network.disconnectLost(network, reference);
    return;
  }
  using _lock = await context.locks.acquire(found.id);
  const record = context.table.find(found.id);
  requireOwnNetworks(record);
  await context.network.disconnect(found.id, network, pidOf(record));
}

function lookUp(context: ContainerContext, reference: string, force: boolean): ContainerRecord | undefined {
  try {
    return context.table.find(reference);
  } catch (error) {
    if (force && error instanceof EngineError && error.kind === "not-found") return undefined;
    throw error;
  }
}

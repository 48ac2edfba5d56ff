import { conflict, EngineError, invalid, messageOf } from "../errors/index.ts";
import type { HostConfig, PortMap, Resources, UpdateBody } from "../wire/index.ts";
import type { ContainerContext } from "./dependencies.ts";
import { networkModeOf } from "./network-mode.ts";
import { notify } from "./notify.ts";
import type { ContainerRecord } from "./record.ts";
import { discardUnknownLimits, resourcesOf, validateResources, validateRestartPolicy } from "./spec/index.ts";
import { isRunning } from "./state.ts";

/**
 * Change limits and restart policy. Of a running container the kernel is asked first: what it refuses is not written
 * down. Throws invalid or conflict in Docker's words.
 */
export async function updateContainer(
  context: ContainerContext,
  reference: string,
  changes: UpdateBody,
): Promise<string[]> {
  const { id } = context.table.find(reference);
  using _lock = await context.locks.acquire(id);
  const record = context.table.find(id);
  try {
    if (record.state.status === "removing")
      throw conflict('container is marked for removal and cannot be "update"');
    const { definition } = record;
    const asked = discardUnknownLimits(given(changes.resources), context.groups.support);
    const merged = withPolicy(merge(definition.hostConfig, asked.resources), changes);
    validateResources(merged);
    const hostConfig = { ...merged, PortBindings: changedPorts(merged.PortBindings, changes) };
    await changePorts(context, record, changes, hostConfig.PortBindings);
    if (isRunning(record.state))
      await context.groups.update(record, resourcesOf(withPartners(asked.resources, merged), []));
    notify(context, context.table.setHostConfig(id, hostConfig), "update");
    return asked.warnings;
  } catch (error) {
    const kind = error instanceof EngineError ? error.kind : "internal";
    throw new EngineError(kind, `Cannot update container ${id}: ${messageOf(error)}`, { cause: error });
  }
}

/** Ports are published and withdrawn at once; a container that does not run gets them at its next start. */
async function changePorts(
  context: ContainerContext,
  record: ContainerRecord,
  { publishAdd, publishRemove }: UpdateBody,
  bindings: PortMap,
): Promise<void> {
  if (Object.keys(publishAdd).length + Object.keys(publishRemove).length === 0) return;
  if (networkModeOf(record.definition.hostConfig).kind === "container")
    throw conflict("its network is another container's: change the ports of that one");
  if (isRunning(record.state))
    await context.network.changePorts(record.id, { add: publishAdd, remove: publishRemove, bindings });
}

function changedPorts(bindings: PortMap, { publishAdd, publishRemove }: UpdateBody): PortMap {
  const changed: PortMap = { ...bindings };
  for (const [key, removed] of Object.entries(publishRemove)) {
    const goes = (removed ?? []).filter(({ HostPort }) => HostPort !== "");
    const kept =
      goes.length === 0
        ? []
        : (changed[key] ?? []).filter(({ HostPort }) => !goes.some((one) => one.HostPort === HostPort));
    if (kept.length > 0) changed[key] = kept;
    else delete changed[key];
  }
  for (const [key, added] of Object.entries(publishAdd))
    changed[key] = [...(changed[key] ?? []), ...(added ?? [])];
  return changed;
}

/** What `update` may change; devices and the like are made with the container. */
function given(resources: Resources): Resources {
  return {
    ...resources,
    CgroupParent: "",
    Devices: null,
    DeviceCgroupRules: null,
    DeviceRequests: null,
    Ulimits: null,
    OomKillDisable: null,
  };
}

/** Limits that only make sense together: where one of them changes, the other is told as it is. */
function withPartners(asked: Resources, merged: Resources): Resources {
  const { Memory, MemorySwap, CpuQuota, CpuPeriod } = merged;
  return {
    ...asked,
    ...(asked.Memory === 0 && asked.MemorySwap === 0 ? {} : { Memory, MemorySwap }),
    ...(asked.CpuQuota === 0 && asked.CpuPeriod === 0 ? {} : { CpuQuota, CpuPeriod }),
  };
}

function merge(host: HostConfig, changes: Resources): HostConfig {
  refuseConflicts(host, changes);
  const merged: HostConfig = { ...host };
  for (const [field, value] of Object.entries(changes))
    if (value !== 0 && value !== "" && value !== null) Object.assign(merged, { [field]: value });
  return merged;
}

function refuseConflicts(
  host: HostConfig,
  { NanoCpus, CpuPeriod, CpuQuota, Memory, MemorySwap }: Resources,
): void {
  const refuse = (why: string) => conflict(`Conflicting options: ${why}`);
  if (NanoCpus > 0 && host.CpuPeriod > 0)
    throw refuse("Nano CPUs cannot be updated as CPU Period has already been set");
  if (NanoCpus > 0 && host.CpuQuota > 0)
    throw refuse("Nano CPUs cannot be updated as CPU Quota has already been set");
  if (CpuPeriod > 0 && host.NanoCpus > 0)
    throw refuse("CPU Period cannot be updated as NanoCPUs has already been set");
  if (CpuQuota > 0 && host.NanoCpus > 0)
    throw refuse("CPU Quota cannot be updated as NanoCPUs has already been set");
  if (Memory > 0 && MemorySwap === 0 && host.MemorySwap > 0 && Memory > host.MemorySwap) {
    throw refuse(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  }
}

function withPolicy(host: HostConfig, { restartPolicy }: UpdateBody): HostConfig {
  if (restartPolicy.Name === "") return host;
  validateRestartPolicy(restartPolicy);
  if (host.AutoRemove && restartPolicy.Name !== "no")
    throw invalid("Restart policy cannot be updated because AutoRemove is enabled for the container");
  return { ...host, RestartPolicy: restartPolicy };
}

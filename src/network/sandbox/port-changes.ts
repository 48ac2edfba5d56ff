import { conflict, invalid } from "../../errors/index.ts";
import type { NetworkContext } from "../context.ts";
import { parsePorts } from "../published/index.ts";
import type { BoundPort } from "../record.ts";
import type { PortChange } from "../service.ts";
import { isLive } from "../table.ts";
import { applyPorts, holdPorts } from "./ports.ts";

/** Publish or withdraw ports of a running container. What cannot be taken changes nothing. */
export async function changePorts(
  context: NetworkContext,
  containerId: string,
  { add, remove, bindings }: PortChange,
): Promise<void> {
  const sandbox = context.table.sandbox(containerId);
  if (sandbox === undefined) throw conflict(`container ${containerId} is not running`);
  const endpoints = context.table.endpointsOf(containerId).filter(isLive);
  const leaving = portsToRemove(sandbox.ports, remove);
  const kept = sandbox.ports.filter((port) => !leaving.includes(port));
  const added = await holdPorts(
    context,
    { ...sandbox, portBindings: add, exposedPorts: [], publishAll: false },
    endpoints,
  );
  if (added.length === 0 && Object.keys(add).length > 0)
    throw invalid("none of the container's networks can publish ports");
  context.table.putSandbox({ ...sandbox, portBindings: bindings, ports: [...kept, ...added] });
  await applyPorts(context, "withdraw", leaving, endpoints);
  context.held.release(containerId, leaving);
  await applyPorts(context, "publish", added, endpoints);
}

function portsToRemove(bound: readonly BoundPort[], remove: PortChange["remove"]): BoundPort[] {
  return Object.entries(remove).flatMap(([key, bindings]) => {
    const wanted = parsePorts({ [key]: bindings ?? [] }, [], false);
    const found = bound.filter(({ containerPort, protocol, hostPort, hostAddress }) =>
      wanted.some(
        (port) =>
          port.containerPort === containerPort &&
          port.protocol === protocol &&
          (port.range === undefined || (hostPort >= port.range.first && hostPort <= port.range.last)) &&
          (port.hostAddress === "" || port.hostAddress === hostAddress),
      ),
    );
    if (found.length === 0) throw invalid(`port ${key} is not published`);
    return found;
  });
}

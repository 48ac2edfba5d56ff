import type { NetworkContext } from "./context.ts";
import type { NetworkRecord } from "./record.ts";

/** Publish an event of a network with Docker's attributes. */
export function notifyNetwork(
  { events, table }: Pick<NetworkContext, "events" | "table">,
  network: string | NetworkRecord,
  action: "create" | "connect" | "disconnect" | "destroy" | "prune",
  container?: string,
): void {
  const record = typeof network === "string" ? table.network(network) : network;
  if (record === undefined) return;
  events.publish({
    Type: "network",
    Action: action,
    Actor: {
      ID: record.id,
      Attributes: {
        name: record.name,
        type: record.driver,
        ...(container === undefined ? {} : { container }),
      },
    },
  });
}

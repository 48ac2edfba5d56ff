import type { View } from "../../dns/index.ts";
import type { IpAddress } from "../../units/index.ts";
import type { NetworkContext } from "../context.ts";
import type { SandboxRecord } from "../record.ts";
import { isLive, type LiveRecord } from "../table.ts";
import { addressesOf } from "./zones.ts";

/**
 * What a container may know: names of the networks that it is in, and of no other. They are asked in the order in
 * which they give gateways; the first network that knows a name answers.
 */
export function viewOf(
  context: Pick<NetworkContext, "table" | "zones">,
  sandbox: SandboxRecord,
  ordered: readonly LiveRecord[],
  hostServers: () => readonly string[],
): View {
  const { table, zones } = context;
  const reachesOut = ordered.some(({ networkId }) => table.network(networkId)?.internal === false);
  const serversOfHost = () =>
    (reachesOut ? hostServers() : []).map((address) => ({ address, from: "host" }) as const);
  return {
    lookUp(asked) {
      const name = asked.toLowerCase();
      for (const endpoint of ordered) {
        const found = linked(context, endpoint, name) ?? zones.lookUp(endpoint.networkId, name);
        if (found.length > 0) return found;
      }
      // "web.backend": the name web, in the network backend.
      for (const { networkId, networkName } of ordered) {
        const suffix = `.${networkName.toLowerCase()}`;
        if (!name.endsWith(suffix)) continue;
        const found = zones.lookUp(networkId, name.slice(0, -suffix.length));
        if (found.length > 0) return found;
      }
      return undefined;
    },
    reverse(address) {
      for (const { networkId, networkName } of ordered) {
        const holder = zones.holder(networkId, address);
        if (holder !== undefined) return `${holder.live.names[0] ?? holder.containerId}.${networkName}`;
      }
      return undefined;
    },
    // Servers of the container's own are where it is, as are other containers that answer names; the host's may be on its
    // loopback, and a network without a way out does not reach them through the engine either.
    servers:
      sandbox.dns.length > 0 ? sandbox.dns.map((address) => ({ address, from: "client" })) : serversOfHost(),
    singleLabelsStay: sandbox.dnsOptions.some((option) => option.startsWith("ndots:")),
  };
}

/** Aliases that only the linking container knows. */
function linked(
  { table }: Pick<NetworkContext, "table">,
  endpoint: LiveRecord,
  name: string,
): IpAddress[] | undefined {
  for (const link of endpoint.config.links) {
    const { target, alias } = parseLink(link);
    if (alias.toLowerCase() !== name) continue;
    return table
      .endpointsIn(endpoint.networkId)
      .filter(isLive)
      .filter(({ live, containerId }) => live.names[0] === target || containerId.startsWith(target))
      .flatMap(addressesOf);
  }
  return undefined;
}

/** "NAME:ALIAS", "/NAME:/me/ALIAS" or "NAME". */
export function parseLink(link: string): { target: string; alias: string } {
  const [target = "", alias = target] = link.split(":");
  return { target: target.replace(/^\//, ""), alias: alias.split("/").at(-1) ?? alias };
}

import type { DefaultRoute } from "../../netlink/index.ts";
import { parseIp } from "../../units/index.ts";
import type { NetworkContext } from "../context.ts";
import type { NetworkRecord } from "../record.ts";
import type { LiveRecord } from "../table.ts";

/** Which of a container's networks its default routes lead into, for each family. */
export interface Gateways {
  readonly 4?: LiveRecord;
  readonly 6?: LiveRecord;
}

type Context = Pick<NetworkContext, "table" | "drivers">;

/**
 * The order in which networks give the default gateway: higher priority, then those with a way out, then those of
 * both families, then by name.
 */
export function gatewayOrder({ table }: Context, endpoints: readonly LiveRecord[]): LiveRecord[] {
  const families = ({ live }: LiveRecord) =>
    Number(live.ipv4 !== undefined) + Number(live.ipv6 !== undefined);
  const internal = ({ networkId }: LiveRecord) => Number(table.network(networkId)?.internal === true);
  return [...endpoints].sort(
    (a, b) =>
      b.config.gatewayPriority - a.config.gatewayPriority ||
      internal(a) - internal(b) ||
      families(b) - families(a) ||
      (a.networkName < b.networkName ? -1 : 1),
  );
}

export function chooseGateways(context: Context, endpoints: readonly LiveRecord[]): Gateways {
  const ordered = gatewayOrder(context, endpoints);
  const first = (family: 4 | 6) =>
    ordered.find((endpoint) => routeOf(context, endpoint, family) !== undefined);
  const [four, six] = [first(4), first(6)];
  return { ...(four === undefined ? {} : { 4: four }), ...(six === undefined ? {} : { 6: six }) };
}

/** The default route through an endpoint; undefined where its network has no gateway of this family. */
export function routeOf(
  { table, drivers }: Context,
  { networkId, live }: LiveRecord,
  family: 4 | 6,
): DefaultRoute | undefined {
  const network = table.network(networkId);
  if (network === undefined || (family === 4 ? live.ipv4 : live.ipv6) === undefined) return undefined;
  const gateway = drivers[network.driver].gateway(network, family);
  if (gateway === undefined) return undefined;
  const address = parseIp(gateway);
  return { family, index: live.interfaceIndex, ...(address === undefined ? {} : { gateway: address }) };
}

/** The gateway's address as inspect shows it. */
export function gatewayText({ drivers }: Context, network: NetworkRecord, family: 4 | 6): string {
  const gateway = drivers[network.driver].gateway(network, family);
  return gateway === undefined || gateway === "device" ? "" : gateway;
}

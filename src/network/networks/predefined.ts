import { forbidden } from "../../errors/index.ts";
import { randomHex } from "../../platform/index.ts";
import { formatIp, formatPrefix, type IpPrefix, parsePrefix, prefixesOverlap } from "../../units/index.ts";
import type { NetworkContext } from "../context.ts";
import { OPTION, subnetOf } from "../drivers/index.ts";
import { freeSubnet, hostPrefixes } from "../ipam/index.ts";
import type { DriverName, NetworkRecord, NetworkSubnet } from "../record.ts";

const DEFAULT_BRIDGE_OPTIONS = {
  [OPTION.defaultBridge]: "true",
  [OPTION.interContainer]: "true",
  [OPTION.masquerade]: "true",
  [OPTION.hostAddress]: "0.0.0.0",
  [OPTION.mtu]: "1500",
};

/**
 * The three networks that are always there: made when the engine first runs. The default bridge gets or loses IPv6 as
 * the engine is told at each start. Throws forbidden for a subnet that is in use.
 */
export function ensurePredefinedRows(context: NetworkContext, engineName: string): void {
  const known = new Map(context.table.networks().map((network) => [network.name, network]));
  for (const [name, driver] of [
    ["bridge", "bridge"],
    ["host", "host"],
    ["none", "null"],
  ] as const)
    if (!known.has(name)) context.table.insertNetwork(predefined(context, engineName, name, driver));
  const bridge = context.table.networks().find(({ name }) => name === "bridge");
  const wanted = bridge === undefined ? undefined : withIPv6(context, bridge);
  if (wanted !== undefined && wanted !== bridge) context.table.updateNetwork(wanted);
}

function predefined(
  { pools }: NetworkContext,
  engineName: string,
  name: string,
  driver: DriverName,
): NetworkRecord {
  const common = {
    id: randomHex(32),
    name,
    driver,
    created: new Date().toISOString(),
    predefined: true,
    internal: false,
    attachable: false,
    enableIPv4: true,
    enableIPv6: false,
    ipamOptions: {},
    labels: {},
  };
  if (driver !== "bridge") return { ...common, subnets: [], options: {} };
  return {
    ...common,
    subnets: [subnetFrom(freeSubnet(pools, 4, hostPrefixes()))],
    options: { ...DEFAULT_BRIDGE_OPTIONS, [OPTION.bridgeName]: `${engineName}0` },
  };
}

const subnetFrom = (prefix: IpPrefix): NetworkSubnet => ({
  family: prefix.family,
  subnet: formatPrefix(prefix),
  gateway: formatIp({ family: prefix.family, value: prefix.base + 1n }),
  auxAddresses: {},
  given: false,
});

/** The default bridge with or without IPv6, as the settings have it; the same record where nothing changes. */
function withIPv6({ settings, pools, table }: NetworkContext, bridge: NetworkRecord): NetworkRecord {
  const { defaultBridgeIPv6: wanted } = settings;
  const [four, six] = [subnetOf(bridge, 4), subnetOf(bridge, 6)];
  if (wanted === false) {
    if (six === undefined) return bridge;
    return { ...bridge, enableIPv6: false, subnets: four === undefined ? [] : [four] };
  }
  if (six !== undefined && (wanted === true || wanted === six.subnet)) return bridge;
  const taken = table
    .networks()
    .filter(({ id }) => id !== bridge.id)
    .flatMap(({ subnets }) => subnets.flatMap(({ subnet }) => parsePrefix(subnet) ?? []));
  const given = wanted === true ? undefined : parsePrefix(wanted);
  const prefix = given ?? freeSubnet(pools, 6, [...taken, ...hostPrefixes()]);
  if (taken.some((other) => prefixesOverlap(other, prefix)))
    throw forbidden(`the default bridge cannot have ${formatPrefix(prefix)}: another network has it`);
  return {
    ...bridge,
    enableIPv6: true,
    subnets: [...(four === undefined ? [] : [four]), subnetFrom(prefix)],
  };
}

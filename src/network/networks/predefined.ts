import { randomHex } from "../../platform/index.ts";
import { formatIp, formatPrefix } from "../../units/index.ts";
import type { NetworkContext } from "../context.ts";
import { OPTION } from "../drivers/index.ts";
import { freeSubnet, hostPrefixes } from "../ipam/index.ts";
import type { DriverName, NetworkRecord } from "../record.ts";

const DEFAULT_BRIDGE_OPTIONS = {
  [OPTION.defaultBridge]: "true",
  [OPTION.interContainer]: "true",
  [OPTION.masquerade]: "true",
  [OPTION.hostAddress]: "0.0.0.0",
  [OPTION.mtu]: "1500",
};

/** The three networks that are always there: made when the engine first runs. */
export function ensurePredefinedRows(context: NetworkContext, engineName: string): void {
  const known = new Set(context.table.networks().map(({ name }) => name));
  for (const [name, driver] of [
    ["bridge", "bridge"],
    ["host", "host"],
    ["none", "null"],
  ] as const)
    if (!known.has(name)) context.table.insertNetwork(predefined(context, engineName, name, driver));
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
  const subnet = freeSubnet(pools, 4, hostPrefixes());
  return {
    ...common,
    subnets: [
      {
        family: 4,
        subnet: formatPrefix(subnet),
        gateway: formatIp({ family: 4, value: subnet.base + 1n }),
        auxAddresses: {},
        given: false,
      },
    ],
    options: { ...DEFAULT_BRIDGE_OPTIONS, [OPTION.bridgeName]: `${engineName}0` },
  };
}

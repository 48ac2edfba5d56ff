import { formatIp, type IpAddress, parseIp } from "../../units/index.ts";
import type { LiveRecord } from "../table.ts";

/** Who is called what in each network: the running endpoints by their names and addresses. */
export interface Zones {
  add(endpoint: LiveRecord): void;
  remove(endpoint: LiveRecord): void;
  /** Addresses of all endpoints of a network that have a name. */
  lookUp(networkId: string, name: string): IpAddress[];
  /** The endpoint with an address. */
  holder(networkId: string, address: IpAddress): LiveRecord | undefined;
}

export function createZones(): Zones {
  const names = new Map<string, Set<LiveRecord>>();
  const holders = new Map<string, LiveRecord>();
  const nameKey = (networkId: string, name: string) => `${networkId} ${name.toLowerCase()}`;
  const addressKey = (networkId: string, address: IpAddress) => `${networkId} ${formatIp(address)}`;
  return {
    add(endpoint) {
      for (const name of endpoint.live.names) {
        const key = nameKey(endpoint.networkId, name);
        const known = names.get(key);
        if (known === undefined) names.set(key, new Set([endpoint]));
        else known.add(endpoint);
      }
      for (const address of addressesOf(endpoint))
        holders.set(addressKey(endpoint.networkId, address), endpoint);
    },
    remove(endpoint) {
      for (const name of endpoint.live.names) {
        const key = nameKey(endpoint.networkId, name);
        const known = names.get(key);
        for (const one of known ?? []) if (one.containerId === endpoint.containerId) known?.delete(one);
        if (known?.size === 0) names.delete(key);
      }
      for (const address of addressesOf(endpoint)) holders.delete(addressKey(endpoint.networkId, address));
    },
    lookUp: (networkId, name) => [...(names.get(nameKey(networkId, name)) ?? [])].flatMap(addressesOf),
    holder: (networkId, address) => holders.get(addressKey(networkId, address)),
  };
}

export const addressesOf = ({ live }: LiveRecord): IpAddress[] =>
  [live.ipv4, live.ipv6].flatMap((text) => (text === undefined ? [] : (parseIp(text) ?? [])));

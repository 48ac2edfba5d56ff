import { internal } from "../errors/index.ts";
import { type IpAddress, parseIp, parsePrefix } from "../units/index.ts";
import { AddressPool } from "./ipam/index.ts";
import type { NetworkRecord, NetworkSubnet } from "./record.ts";

/** Which addresses of which network are taken; the rows of endpoints are its memory. */
export interface AddressBook {
  open(network: NetworkRecord): void;
  close(networkId: string): void;
  /** A certain address, or the next free one. Throws forbidden or conflict. */
  take(networkId: string, family: 4 | 6, wanted?: IpAddress): IpAddress;
  restore(networkId: string, address: string): void;
  release(networkId: string, address: string): void;
}

export function createAddressBook(): AddressBook {
  const pools = new Map<string, Map<4 | 6, AddressPool>>();
  const poolOf = (networkId: string, family: 4 | 6): AddressPool => {
    const pool = pools.get(networkId)?.get(family);
    if (pool === undefined) throw internal(`network ${networkId} has no addresses of IPv${family}`);
    return pool;
  };
  const each = (networkId: string, text: string, work: (pool: AddressPool, address: IpAddress) => void) => {
    const address = parseIp(text);
    const pool = address === undefined ? undefined : pools.get(networkId)?.get(address.family);
    if (address !== undefined && pool !== undefined) work(pool, address);
  };
  return {
    open(network) {
      pools.set(network.id, new Map(network.subnets.map((subnet) => [subnet.family, poolFrom(subnet)])));
    },
    close: (networkId) => pools.delete(networkId),
    take(networkId, family, wanted) {
      const pool = poolOf(networkId, family);
      if (wanted === undefined) return pool.allocate();
      pool.take(wanted);
      return wanted;
    },
    restore: (networkId, text) => each(networkId, text, (pool, address) => pool.restore(address)),
    release: (networkId, text) => each(networkId, text, (pool, address) => pool.release(address)),
  };
}

function poolFrom({ subnet, ipRange, gateway, auxAddresses }: NetworkSubnet): AddressPool {
  const prefix = parsePrefix(subnet);
  const range = parsePrefix(ipRange ?? subnet);
  if (prefix === undefined || range === undefined) throw internal(`the subnet ${subnet} cannot be read`);
  const reserved = [gateway ?? "", ...Object.values(auxAddresses)].flatMap(
    (text) => parseIp(text)?.value ?? [],
  );
  return new AddressPool(prefix, range, new Set(reserved));
}

import { type IpAddress, parsePrefix, prefixContains } from "../units/index.ts";

/** Addresses that count on one link only (RFC 3927, RFC 4291 2.5.6). */
const RANGES = ["169.254.0.0/16", "fe80::/10"];
const LENGTHS = { 4: 16, 6: 64 } as const;

/** Length of the prefix that a link-local address is given; undefined for any other address. */
export function linkLocalPrefix(address: IpAddress): number | undefined {
  const isOne = RANGES.some((range) => {
    const prefix = parsePrefix(range);
    return prefix !== undefined && prefixContains(prefix, address);
  });
  return isOne ? LENGTHS[address.family] : undefined;
}

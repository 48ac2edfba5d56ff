import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { errnoOf } from "../../errors/index.ts";
import { type IpPrefix, parsePrefix } from "../../units/index.ts";

/** Networks that the host has addresses in or routes to; the default routes are left out. */
export function hostPrefixes(): IpPrefix[] {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .flatMap(({ cidr }) => parsePrefix(cidr ?? "") ?? []);
  return [...own, ...routesOfFour(), ...routesOfSix()].filter(({ length }) => length > 0);
}

/** /proc/net/route: interface, destination, gateway, flags, …, mask at the eighth column, as little-endian hex. */
function routesOfFour(): IpPrefix[] {
  return linesOf("/proc/net/route")
    .slice(1)
    .flatMap((line) => {
      const columns = line.split("\t");
      const [destination = "", mask = ""] = [columns[1], columns[7]];
      if (!/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask)) return [];
      return [{ family: 4 as const, base: littleEndian(destination), length: bits(littleEndian(mask)) }];
    });
}

/** /proc/net/ipv6_route: destination and its prefix length in hex, …, the interface in the last column. */
function routesOfSix(): IpPrefix[] {
  return linesOf("/proc/net/ipv6_route").flatMap((line) => {
    const [destination = "", length = "", ...others] = line.trim().split(/\s+/);
    if (!/^[0-9a-f]{32}$/.test(destination) || others.at(-1) === "lo") return [];
    return [{ family: 6 as const, base: BigInt(`0x${destination}`), length: Number.parseInt(length, 16) }];
  });
}

const littleEndian = (hex: string): bigint => BigInt(Buffer.from(hex, "hex").readUInt32LE(0));
const bits = (mask: bigint): number => mask.toString(2).replaceAll("0", "").length;

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch (error) {
    // A kernel without IPv6.
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

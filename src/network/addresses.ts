import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { conflict } from "../errors/index.ts";

/** An IPv4 network: its first address as a number, and the length of its prefix. */
export interface Subnet {
  readonly base: number;
  readonly prefix: number;
}

export const toNumber = (address: string): number =>
  address.split(".").reduce((number, part) => number * 256 + Number(part), 0);

export const toAddress = (number: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");

export const sizeOf = ({ prefix }: Subnet): number => 2 ** (32 - prefix);

export function parseSubnet(text: string): Subnet {
  const [address = "", prefix = "32"] = text.split("/");
  const size = 2 ** (32 - Number(prefix));
  return { base: Math.floor(toNumber(address) / size) * size, prefix: Number(prefix) };
}

export const formatSubnet = ({ base, prefix }: Subnet): string => `${toAddress(base)}/${prefix}`;

export const overlaps = (a: Subnet, b: Subnet): boolean =>
  a.base < b.base + sizeOf(b) && b.base < a.base + sizeOf(a);

/** Docker's default pools, in its order. */
function* pools(): Generator<Subnet> {
  for (let second = 17; second < 32; second++) yield parseSubnet(`172.${second}.0.0/16`);
  for (let third = 0; third < 256; third += 16) yield parseSubnet(`192.168.${third}.0/20`);
}

/** Networks that the host already has addresses in or routes to. */
export function hostSubnets(): Subnet[] {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, cidr }) => family === "IPv4" && cidr !== null)
    .map(({ cidr }) => parseSubnet(cidr ?? ""));
  // /proc/net/route: interface, destination, gateway, flags, …, mask at the eighth column, as little-endian hex.
  const routes = readFileSync("/proc/net/route", "utf8")
    .split("\n")
    .slice(1)
    .map((line) => line.split("\t"))
    .filter((columns) => columns.length > 7 && columns[1] !== "00000000")
    .map((columns) => ({
      base: littleEndian(columns[1] ?? ""),
      prefix: bits(littleEndian(columns[7] ?? "")),
    }));
  return [...own, ...routes];
}

const littleEndian = (hex: string): number => Buffer.from(hex, "hex").readUInt32LE(0);
const bits = (mask: number): number => mask.toString(2).replaceAll("0", "").length;

/** The first pool that nothing on the host overlaps. */
export function freeSubnet(taken: readonly Subnet[]): Subnet {
  for (const pool of pools()) if (!taken.some((subnet) => overlaps(subnet, pool))) return pool;
  throw conflict("all predefined address pools have been fully subnetted");
}

/** Hands out addresses of a network one after the other, coming back to released ones only at the end of the range. */
export class AddressAllocator {
  private readonly used = new Set<number>();
  private last: number;

  constructor(private readonly subnet: Subnet) {
    // The first address is the network's, the second the gateway's.
    this.last = subnet.base + 1;
  }

  reserve(address: string): void {
    this.used.add(toNumber(address));
    this.last = Math.max(this.last, toNumber(address));
  }

  allocate(): string {
    const size = sizeOf(this.subnet);
    for (let step = 1; step < size; step++) {
      const offset = (this.last - this.subnet.base + step) % size;
      const candidate = this.subnet.base + offset;
      if (offset < 2 || offset === size - 1 || this.used.has(candidate)) continue;
      this.used.add(candidate);
      this.last = candidate;
      return toAddress(candidate);
    }
    throw conflict(
      `no available IPv4 addresses on this network's address pool: ${formatSubnet(this.subnet)}`,
    );
  }

  release(address: string): void {
    this.used.delete(toNumber(address));
  }
}

import { createHash } from "node:crypto";
import { forbidden, invalid } from "../../errors/index.ts";
import {
  type IpFamily,
  type IpPrefix,
  ipBits,
  parsePrefix,
  prefixesOverlap,
  prefixSize,
} from "../../units/index.ts";

/** A range that networks without a subnet of their own are cut from, in pieces of one size. */
export interface SubnetPool {
  readonly base: IpPrefix;
  /** Length of each piece's prefix. */
  readonly size: number;
}

const pool = (base: string, size: number): SubnetPool => parsePool(base, size);

/**
 * Docker's ranges. Its first networks are as large as there; the ranges behind them are cut into small ones, so that
 * there are over a thousand networks before they run out, and not 31.
 */
const DEFAULT_FOUR: readonly SubnetPool[] = [
  ...Array.from({ length: 11 }, (_, i) => pool(`172.${17 + i}.0.0/16`, 16)),
  pool("172.28.0.0/14", 24),
  pool("192.168.0.0/16", 24),
];

/** A unique local range of IPv6 (RFC 4193), the same for an engine at all times, in pieces of /64. */
function defaultSix(engineName: string): SubnetPool {
  const digest = createHash("sha256").update(engineName).digest().subarray(0, 5);
  const base = (0xfdn << 120n) | (BigInt(`0x${digest.toString("hex")}`) << 80n);
  return { base: { family: 6, base, length: 48 }, size: 64 };
}

/** The pools of an engine: those of its options replace the defaults of their family. */
export function poolsOf(engineName: string, given: readonly SubnetPool[]): SubnetPool[] {
  const own = (family: IpFamily) => given.filter(({ base }) => base.family === family);
  const [four, six] = [own(4), own(6)];
  return [...(four.length > 0 ? four : DEFAULT_FOUR), ...(six.length > 0 ? six : [defaultSix(engineName)])];
}

/** "10.10.0.0/16" in pieces of /24. Throws invalid. */
export function parsePool(base: string, size: number): SubnetPool {
  const prefix = parsePrefix(base);
  if (prefix === undefined || !(size >= prefix.length && size <= ipBits(prefix.family) - 2)) {
    throw invalid(`invalid default address pool: base=${base},size=${size}`);
  }
  return { base: prefix, size };
}

/** The first piece of a pool that nothing overlaps. Throws forbidden, as Docker does, when there is none. */
export function freeSubnet(
  pools: readonly SubnetPool[],
  family: IpFamily,
  taken: readonly IpPrefix[],
): IpPrefix {
  for (const { base, size } of pools) {
    if (base.family !== family) continue;
    const piece = firstGap(base, 1n << BigInt(ipBits(family) - size), taken);
    if (piece !== undefined) return { family, base: piece, length: size };
  }
  throw forbidden("all predefined address pools have been fully subnetted");
}

/** Walk through what is taken in its order; the first piece that ends before the next one begins is free. */
function firstGap(pool: IpPrefix, step: bigint, taken: readonly IpPrefix[]): bigint | undefined {
  const others = taken
    .filter((prefix) => prefixesOverlap(prefix, pool))
    .sort((a, b) => (a.base < b.base ? -1 : 1));
  let piece = pool.base;
  for (const other of others) {
    if (other.base >= piece + step) break;
    const end = other.base + prefixSize(other);
    if (end > piece) piece += ((end - piece + step - 1n) / step) * step;
  }
  return piece < pool.base + prefixSize(pool) ? piece : undefined;
}

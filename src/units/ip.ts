/** Addresses and networks of IPv4 and IPv6 as numbers: one arithmetic for both families. */

export type IpFamily = 4 | 6;

export interface IpAddress {
  readonly family: IpFamily;
  readonly value: bigint;
}

/** A network in CIDR terms: its first address and the length of its prefix in bits. */
export interface IpPrefix {
  readonly family: IpFamily;
  readonly base: bigint;
  readonly length: number;
}

export const ipBits = (family: IpFamily): number => (family === 4 ? 32 : 128);

/** Read "10.1.2.3" or "fd00::1" (RFC 4291, also with an embedded IPv4 address); undefined for anything else. */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(":")) {
    const value = parseIpv4(text);
    return value === undefined ? undefined : { family: 4, value };
  }
  const value = parseIpv6(text);
  return value === undefined ? undefined : { family: 6, value };
}

function parseIpv4(text: string): bigint | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const parts = text.split(".");
  // A leading zero means octal to some programs and decimal to others.
  if (parts.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith("0")))) return undefined;
  return parts.reduce((number, part) => (number << 8n) | BigInt(part), 0n);
}

function parseIpv6(text: string): bigint | undefined {
  let words = text;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const low = parseIpv4(dotted[2] ?? "");
    if (low === undefined) return undefined;
    words = `${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
  }
  const halves = words.split("::");
  if (halves.length > 2) return undefined;
  const groups = (half: string | undefined) => (half === undefined || half === "" ? [] : half.split(":"));
  const [head, tail] = [groups(halves[0]), groups(halves[1])];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array.from({ length: missing }, () => "0"), ...tail];
  if (!all.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return all.reduce((number, group) => (number << 16n) | BigInt(`0x${group}`), 0n);
}

/** The canonical text of an address (RFC 5952 for IPv6). */
export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16),
  );
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === "0") length++;
    if (length > best.length) best = { start, length };
  }
  if (best.start < 0) return groups.join(":");
  const head = groups.slice(0, best.start).join(":");
  return `${head}::${groups.slice(best.start + best.length).join(":")}`;
}

/** Read "10.0.0.0/8"; bits behind the prefix are dropped. Undefined for anything that is no network. */
export function parsePrefix(text: string): IpPrefix | undefined {
  const [, words = "", digits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseIp(words);
  const length = Number(digits);
  if (address === undefined || digits === "" || length > ipBits(address.family)) return undefined;
  return prefixOf(address, length);
}

/** The network of this length that an address lies in. */
export function prefixOf({ family, value }: IpAddress, length: number): IpPrefix {
  const hostBits = BigInt(ipBits(family) - length);
  return { family, base: (value >> hostBits) << hostBits, length };
}

export const formatPrefix = ({ family, base, length }: IpPrefix): string =>
  `${formatIp({ family, value: base })}/${length}`;

/** How many addresses it has. */
export const prefixSize = ({ family, length }: IpPrefix): bigint => 1n << BigInt(ipBits(family) - length);

export const prefixContains = (prefix: IpPrefix, { family, value }: IpAddress): boolean =>
  family === prefix.family && value >= prefix.base && value < prefix.base + prefixSize(prefix);

export const prefixesOverlap = (a: IpPrefix, b: IpPrefix): boolean =>
  a.family === b.family && a.base < b.base + prefixSize(b) && b.base < a.base + prefixSize(a);

/** Network byte order: 4 or 16 bytes. */
export function ipBytes({ family, value }: IpAddress): Buffer {
  return Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, "0"), "hex");
}

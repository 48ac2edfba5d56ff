import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  formatIp,
  formatPrefix,
  type IpPrefix,
  parseIp,
  parsePrefix,
  prefixContains,
} from "../../units/index.ts";
import { AddressPool } from "./address-pool.ts";
import { freeSubnet, parsePool, poolsOf } from "./pools.ts";

function prefix(text: string): IpPrefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}
function ip(text: string) {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}
const pool = (subnet: string, range = subnet, reserved: string[] = []) =>
  new AddressPool(prefix(subnet), prefix(range), new Set(reserved.map((text) => ip(text).value)));

test("addresses come in order; released ones only after the range's end", () => {
  const small = pool("10.0.0.0/29", "10.0.0.0/29", ["10.0.0.1"]);
  const given = [1, 2, 3, 4, 5].map(() => formatIp(small.allocate()));
  expect(given).toEqual(["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
  expect(() => small.allocate()).toThrow("no available IPv4 addresses");
  small.release(ip("10.0.0.4"));
  expect(formatIp(small.allocate())).toBe("10.0.0.4");
  expect(() => small.take(ip("10.0.0.4"))).toThrow("Address already in use");
});

test("a range limits what is chosen, not what is asked for", () => {
  const ranged = pool("10.0.0.0/24", "10.0.0.128/30");
  expect([1, 2, 3, 4].map(() => formatIp(ranged.allocate()))).toEqual([
    "10.0.0.128",
    "10.0.0.129",
    "10.0.0.130",
    "10.0.0.131",
  ]);
  ranged.take(ip("10.0.0.7"));
  expect(() => ranged.allocate()).toThrow();
});

test("no address is given twice, whatever is taken, released and asked for", () => {
  const step = fc.oneof(
    fc.constant({ kind: "allocate" } as const),
    fc.record({ kind: fc.constant("take" as const), at: fc.integer({ min: 0, max: 31 }) }),
    fc.record({ kind: fc.constant("release" as const), at: fc.integer({ min: 0, max: 31 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const subnet = prefix("10.9.0.0/27");
      const addresses = new AddressPool(subnet, subnet, new Set([subnet.base + 1n]));
      const mine = new Set<bigint>();
      for (const { kind, ...rest } of steps) {
        try {
          if (kind === "release") {
            const value = subnet.base + BigInt((rest as { at: number }).at);
            if (mine.delete(value)) addresses.release({ family: 4, value });
            continue;
          }
          const address =
            kind === "allocate"
              ? addresses.allocate()
              : { family: 4 as const, value: subnet.base + BigInt((rest as { at: number }).at) };
          if (kind === "take") addresses.take(address);
          expect(mine.has(address.value)).toBe(false);
          expect(prefixContains(subnet, address)).toBe(true);
          mine.add(address.value);
        } catch (error) {
          if (kind === "allocate") expect(mine.size).toBe(29);
          else expect(String(error)).toContain("already in use");
        }
      }
    }),
  );
});

test("addresses of IPv6 are handed out alike", () => {
  const six = pool("fd00::/64", "fd00::/64", ["fd00::1"]);
  expect([1, 2].map(() => formatIp(six.allocate()))).toEqual(["fd00::2", "fd00::3"]);
});

test("subnets avoid what is taken, and over a thousand networks fit", () => {
  const pools = poolsOf("gantry", []);
  const taken: IpPrefix[] = [prefix("172.18.5.0/24")];
  expect(formatPrefix(freeSubnet(pools, 4, taken))).toBe("172.17.0.0/16");
  taken.push(prefix("172.17.0.0/16"));
  expect(formatPrefix(freeSubnet(pools, 4, taken))).toBe("172.19.0.0/16");
  for (let count = 0; count < 1100; count++) taken.push(freeSubnet(pools, 4, taken));
  const six = freeSubnet(pools, 6, []);
  expect(formatPrefix(six)).toMatch(/^fd[0-9a-f]{2}:.*::\/64$/);
  expect(freeSubnet(pools, 6, [six]).base).not.toBe(six.base);
});

test("pools of one's own replace the defaults and end", () => {
  const pools = poolsOf("gantry", [parsePool("10.10.0.0/23", 24)]);
  const first = freeSubnet(pools, 4, []);
  const second = freeSubnet(pools, 4, [first]);
  expect([first, second].map(formatPrefix)).toEqual(["10.10.0.0/24", "10.10.1.0/24"]);
  expect(() => freeSubnet(pools, 4, [first, second])).toThrow("fully subnetted");
  expect(() => parsePool("10.0.0.0/24", 16)).toThrow("invalid default address pool");
});

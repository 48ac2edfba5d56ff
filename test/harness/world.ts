import { afterAll, beforeAll, test } from "bun:test";
import { TestMachine } from "./machine.ts";

/** Where the machine and the world outside meet; documentation ranges (RFC 5737, RFC 3849), on a link of the test's own. */
export const MACHINE = { 4: "203.0.113.1", 6: "2001:db8:113::1" } as const;
export const WORLD = { 4: "203.0.113.2", 6: "2001:db8:113::2" } as const;

export interface Surroundings extends AsyncDisposable {
  readonly world: TestMachine;
  readonly machine: TestMachine;
}

/** A machine, and a world that knows of no other way than over it. The machine forwards nothing yet. */
export async function startSurroundings(): Promise<Surroundings> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await TestMachine.start());
  // dockerd lets nothing through FORWARD when it was the one that allowed forwarding.
  const machine = stack.use(
    await TestMachine.start(`
      echo 0 > /proc/sys/net/ipv4/ip_forward
      ip link add out type veth peer name in netns ${world.pid}
      ip addr add ${MACHINE[4]}/24 dev out
      ip addr add ${MACHINE[6]}/64 dev out nodad
      ip link set out up`),
  );
  await world.sh(`
      ip addr add ${WORLD[4]}/24 dev in
      ip addr add ${WORLD[6]}/64 dev in nodad
      ip link set in up
      ip route add default via ${MACHINE[4]}
      ip -6 route add default via ${MACHINE[6]}`);
  const owned = stack.move();
  return { world, machine, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Of `gantry daemon --firewall-backend`. */
export type FirewallBackend = "nftables" | "iptables";

/**
 * A `test` that checks a site with each backend, both at once, since most of the time is waiting for answers that are not
 * to come. The sites are made before the tests of the file and live as long as these.
 */
export function testWithBothBackends<Site extends AsyncDisposable>(
  createSite: (backend: FirewallBackend) => Promise<Site>,
): (name: string, check: (site: Site) => Promise<void>) => void {
  let sites: readonly Site[] = [];
  beforeAll(async () => {
    sites = await Promise.all((["nftables", "iptables"] as const).map(createSite));
  }, 60_000);
  afterAll(async () => {
    await Promise.all(sites.map((site) => site[Symbol.asyncDispose]()));
  }, 60_000);
  return (name, check) =>
    test(name, async () => {
      await Promise.all(sites.map(check));
    }, 60_000);
}

import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type Dockerd, startDockerd } from "../compat/dockerd.ts";
import { type Finished, startDaemon, type TestDaemon, TestMachine } from "../harness/index.ts";

const MACHINE = "203.0.113.1";

async function ok(finished: Promise<Finished>): Promise<string> {
  const { stdout, stderr, exitCode } = await finished;
  if (exitCode !== 0) throw new Error(stderr);
  return stdout.trim();
}
const serve = (engine: Dockerd | TestDaemon, name: string, port?: number) =>
  ok(
    engine.docker(
      ...["run", "-d", "--name", name, "-h", name, ...(port === undefined ? [] : ["-p", `${port}:80`])],
      ...["busybox", "httpd", "-f", "-h", "/etc"],
    ),
  );
const addressOf = (engine: Dockerd | TestDaemon, name: string) =>
  ok(engine.docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name));
const ask = (address: string, port: number, seconds: number) =>
  `timeout ${seconds} busybox wget -qO- http://${address}:${port}/hostname || echo nobody`;
/** A dockerd and a Gantry in one network namespace, seen from another one. */
async function createSite(backend: "nftables" | "iptables") {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await TestMachine.start());
  // dockerd lets nothing through FORWARD when it was the one that allowed forwarding.
  const machine = stack.use(
    await TestMachine.start(`
      echo 0 > /proc/sys/net/ipv4/ip_forward
      ip link add out type veth peer name in netns ${world.pid}
      ip addr add ${MACHINE}/24 dev out
      ip link set out up`),
  );
  await world.sh(`ip addr add 203.0.113.2/24 dev in; ip link set in up; ip route add default via ${MACHINE}`);
  const dockerd = stack.use(await startDockerd({ machine }));
  const gantry = stack.use(await startDaemon(["--firewall-backend", backend], machine));
  const busybox = join(machine.folder, "busybox.tar");
  await ok(gantry.docker("run", "--rm", "busybox", "true"));
  await ok(gantry.docker("save", "-o", busybox, "busybox"));
  await ok(dockerd.docker("load", "-i", busybox));
  await serve(dockerd, "theirs", 8001);
  await serve(gantry, "ours", 8002);
  const fromWorld = (address: string, port: number, seconds = 30) => world.sh(ask(address, port, seconds));
  /** Both engines' published ports are reached, and containers reach the world's other side of the link. */
  async function expectBothToWork(): Promise<void> {
    expect(await fromWorld(MACHINE, 8001)).toBe("theirs");
    expect(await fromWorld(MACHINE, 8002)).toBe("ours");
    const ping = (engine: Dockerd | TestDaemon, name: string) =>
      ok(engine.docker("exec", name, "ping", "-c1", "-W5", "203.0.113.2"));
    expect(await ping(dockerd, "theirs")).toContain("1 packets received");
    expect(await ping(gantry, "ours")).toContain("1 packets received");
  }

  const owned = stack.move();
  return {
    dockerd,
    gantry,
    fromWorld,
    expectBothToWork,
    machine,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Site = Awaited<ReturnType<typeof createSite>>;
let sites: readonly Site[] = [];
beforeAll(async () => {
  sites = await Promise.all((["nftables", "iptables"] as const).map(createSite));
}, 60_000);
afterAll(async () => {
  await Promise.all(sites.map((site) => site[Symbol.asyncDispose]()));
}, 60_000);
/** With both backends of ours at once, on a machine each. */
const withBoth = (name: string, check: (site: Site) => Promise<void>) =>
  test(name, async () => {
    await Promise.all(sites.map(check));
  }, 60_000);

withBoth(
  "ports of both are reached though the policy of FORWARD is to drop",
  async ({ machine, expectBothToWork }) => {
    expect(await machine.sh("iptables -S FORWARD | head -1")).toBe("-P FORWARD DROP");
    await expectBothToWork();
  },
);

withBoth("containers of one reach the published ports of the other", async ({ dockerd, gantry }) => {
  const exec = (engine: Dockerd | TestDaemon, name: string, port: number) =>
    ok(engine.docker("exec", name, "sh", "-c", ask(MACHINE, port, 30)));
  expect(await exec(gantry, "ours", 8001)).toBe("theirs");
  expect(await exec(dockerd, "theirs", 8002)).toBe("ours");
});

withBoth(
  "what neither published is reached neither from outside nor from the other's containers",
  async ({ dockerd, gantry, fromWorld }) => {
    await serve(dockerd, "their-own");
    await serve(gantry, "our-own");
    const [theirs, ours] = [await addressOf(dockerd, "their-own"), await addressOf(gantry, "our-own")];
    expect(await Promise.all([theirs, ours].map((address) => fromWorld(address, 80, 1)))).toEqual([
      "nobody",
      "nobody",
    ]);
    const exec = (engine: Dockerd | TestDaemon, name: string, address: string) =>
      ok(engine.docker("exec", name, "sh", "-c", ask(address, 80, 1)));
    expect(await Promise.all([exec(gantry, "ours", theirs), exec(dockerd, "theirs", ours)])).toEqual([
      "nobody",
      "nobody",
    ]);
  },
);

withBoth("a port of one is refused to the other", async ({ dockerd, gantry }) => {
  const theirs = await dockerd.docker("run", "-d", "--name", "late", "-p", "8002:80", "busybox", "true");
  expect(theirs.stderr).toContain("address already in use");
  const ours = await gantry.docker("run", "-d", "-p", "8001:80", "busybox", "true");
  expect(ours.stderr).toContain("address already in use");
});

withBoth(
  "each stays as it is when the other's containers and networks come and go",
  async ({ dockerd, gantry, expectBothToWork }) => {
    await Promise.all(
      [dockerd, gantry].map(async (engine, number) => {
        await ok(engine.docker("network", "create", "short"));
        const place = ["--network", "short", "-p", `${8003 + number}:80`];
        await ok(engine.docker("run", "--rm", ...place, "busybox", "true"));
        await ok(engine.docker("network", "rm", "short"));
      }),
    );
    await gantry.kill9();
    await gantry.restart();
    await expectBothToWork();
  },
);

import { expect } from "bun:test";
import { join } from "node:path";
import { startDockerd } from "../compat/dockerd.ts";
import {
  askWeb,
  type Engine,
  type FirewallBackend,
  MACHINE,
  startDaemon,
  startSurroundings,
  startWeb,
  succeed,
  testWithBothBackends,
  WORLD,
  webUrl,
} from "../harness/index.ts";

const addressOf = async (engine: Engine, name: string) =>
  (await succeed(engine, "inspect", "-f", "{{.NetworkSettings.IPAddress}}", name)).trim();
const ask = (address: string, port: number, seconds: number) => askWeb(webUrl(address, port), seconds);
/** Ask from a container. */
const askFrom = async (engine: Engine, name: string, ...where: Parameters<typeof ask>) =>
  (await succeed(engine, "exec", name, "sh", "-c", ask(...where))).trim();

/** A dockerd and a Gantry in one network namespace, seen from another one. */
async function createSite(backend: FirewallBackend) {
  await using stack = new AsyncDisposableStack();
  const { world, machine } = stack.use(await startSurroundings());
  const dockerd = stack.use(await startDockerd({ machine }));
  const gantry = stack.use(await startDaemon(["--firewall-backend", backend], machine));
  const busybox = join(machine.folder, "busybox.tar");
  await succeed(gantry, "run", "--rm", "busybox", "true");
  await succeed(gantry, "save", "-o", busybox, "busybox");
  await succeed(dockerd, "load", "-i", busybox);
  await startWeb(dockerd, "theirs", "-p", "8001:80");
  await startWeb(gantry, "ours", "-p", "8002:80");
  const fromWorld = (address: string, port: number, seconds = 30) => world.sh(ask(address, port, seconds));
  /** Both engines' published ports are reached, and containers reach the world's other side of the link. */
  async function expectBothToWork(): Promise<void> {
    expect(await fromWorld(MACHINE[4], 8001)).toBe("theirs");
    expect(await fromWorld(MACHINE[4], 8002)).toBe("ours");
    const ping = (engine: Engine, name: string) =>
      succeed(engine, "exec", name, "ping", "-c1", "-W5", WORLD[4]);
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

const withBoth = testWithBothBackends(createSite);

withBoth(
  "ports of both are reached though the policy of FORWARD is to drop",
  async ({ machine, expectBothToWork }) => {
    expect(await machine.sh("iptables -S FORWARD | head -1")).toBe("-P FORWARD DROP");
    await expectBothToWork();
  },
);

withBoth("containers of one reach the published ports of the other", async ({ dockerd, gantry }) => {
  expect(await askFrom(gantry, "ours", MACHINE[4], 8001, 30)).toBe("theirs");
  expect(await askFrom(dockerd, "theirs", MACHINE[4], 8002, 30)).toBe("ours");
});

withBoth(
  "what neither published is reached neither from outside nor from the other's containers",
  async ({ dockerd, gantry, fromWorld }) => {
    await startWeb(dockerd, "their-own");
    await startWeb(gantry, "our-own");
    const [theirs, ours] = [await addressOf(dockerd, "their-own"), await addressOf(gantry, "our-own")];
    const answers = await Promise.all([
      fromWorld(theirs, 80, 1),
      fromWorld(ours, 80, 1),
      askFrom(gantry, "ours", theirs, 80, 1),
      askFrom(dockerd, "theirs", ours, 80, 1),
    ]);
    expect(answers).toEqual(["", "", "", ""]);
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
        await succeed(engine, "network", "create", "short");
        const place = ["--network", "short", "-p", `${8003 + number}:80`];
        await succeed(engine, "run", "--rm", ...place, "busybox", "true");
        await succeed(engine, "network", "rm", "short");
      }),
    );
    await gantry.kill9();
    await gantry.restart();
    await expectBothToWork();
  },
);

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Dockerd, startDockerd } from "../compat/dockerd.ts";
import { type Finished, startDaemon, type TestDaemon, TestMachine } from "../harness/index.ts";

const MACHINE = "203.0.113.1";

/** A dockerd and a Gantry in one network namespace, seen from another one. */
describe.each(["nftables", "iptables"])("beside a dockerd, with %s", (backend) => {
  let world: TestMachine;
  let machine: TestMachine;
  let dockerd: Dockerd;
  let gantry: TestDaemon;

  beforeAll(async () => {
    world = await TestMachine.start();
    // dockerd lets nothing through FORWARD when it was the one that allowed forwarding.
    machine = await TestMachine.start(`
      echo 0 > /proc/sys/net/ipv4/ip_forward
      ip link add out type veth peer name in netns ${world.pid}
      ip addr add ${MACHINE}/24 dev out
      ip link set out up`);
    await world.sh(
      `ip addr add 203.0.113.2/24 dev in; ip link set in up; ip route add default via ${MACHINE}`,
    );
    dockerd = await startDockerd({ machine });
    gantry = await startDaemon(["--firewall-backend", backend], machine);
    const busybox = join(machine.folder, "busybox.tar");
    await ok(gantry.docker("run", "--rm", "busybox", "true"));
    await ok(gantry.docker("save", "-o", busybox, "busybox"));
    await ok(dockerd.docker("load", "-i", busybox));
    await serve(dockerd, "theirs", 8001);
    await serve(gantry, "ours", 8002);
  }, 60_000);
  afterAll(async () => {
    await gantry[Symbol.asyncDispose]();
    await dockerd[Symbol.asyncDispose]();
    await machine[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  }, 60_000);

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

  test("ports of both are reached though the policy of FORWARD is to drop", async () => {
    expect(await machine.sh("iptables -S FORWARD | head -1")).toBe("-P FORWARD DROP");
    await expectBothToWork();
  }, 60_000);

  test("containers of one reach the published ports of the other", async () => {
    const exec = (engine: Dockerd | TestDaemon, name: string, port: number) =>
      ok(engine.docker("exec", name, "sh", "-c", ask(MACHINE, port, 30)));
    expect(await exec(gantry, "ours", 8001)).toBe("theirs");
    expect(await exec(dockerd, "theirs", 8002)).toBe("ours");
  }, 60_000);

  test("what neither published is reached neither from outside nor from the other's containers", async () => {
    await serve(dockerd, "their-own");
    await serve(gantry, "our-own");
    const [theirs, ours] = [await addressOf(dockerd, "their-own"), await addressOf(gantry, "our-own")];
    for (const address of [theirs, ours]) expect(await fromWorld(address, 80, 2)).toBe("nobody");
    const exec = (engine: Dockerd | TestDaemon, name: string, address: string) =>
      ok(engine.docker("exec", name, "sh", "-c", ask(address, 80, 2)));
    expect(await exec(gantry, "ours", theirs)).toBe("nobody");
    expect(await exec(dockerd, "theirs", ours)).toBe("nobody");
  }, 60_000);

  test("a port of one is refused to the other", async () => {
    const theirs = await dockerd.docker("run", "-d", "--name", "late", "-p", "8002:80", "busybox", "true");
    expect(theirs.stderr).toContain("address already in use");
    const ours = await gantry.docker("run", "-d", "-p", "8001:80", "busybox", "true");
    expect(ours.stderr).toContain("address already in use");
  }, 60_000);

  test("each stays as it is when the other's containers and networks come and go", async () => {
    await ok(dockerd.docker("network", "create", "short"));
    await ok(gantry.docker("network", "create", "short"));
    await ok(dockerd.docker("run", "--rm", "--network", "short", "-p", "8003:80", "busybox", "true"));
    await ok(gantry.docker("run", "--rm", "--network", "short", "-p", "8003:80", "busybox", "true"));
    await ok(dockerd.docker("network", "rm", "short"));
    await ok(gantry.docker("network", "rm", "short"));
    await gantry.kill9();
    await gantry.restart();
    await expectBothToWork();
  }, 60_000);
});

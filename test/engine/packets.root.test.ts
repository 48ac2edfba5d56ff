import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { askWeb, startDaemon, startWeb, succeed, type TestDaemon, webUrl } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await succeed(daemon, ...args)).trim();
const sleeper = (...options: string[]) => docker("run", "-d", ...options, "busybox", "sleep", "1000");
const sh = (container: string, script: string) => docker("exec", container, "sh", "-c", script);
const reaches = async (from: string, address: string) =>
  (await daemon.docker("exec", from, "ping", "-c1", "-W1", address)).exitCode === 0;
const addressOf = (container: string, network: string) =>
  docker("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);
const host = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: "utf8" });
const web = (name: string, ...options: string[]) => startWeb(daemon, name, ...options);
const portOf = async (container: string) =>
  Number(
    await docker(
      "inspect",
      "-f",
      '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}',
      container,
    ),
  );
const fetched = async (container: string, from: string, port: number, address: string) =>
  (await sh(from, askWeb(webUrl(address, port), 1))) === container;

test("published ports are reached from every network and from the container itself; others are not", async () => {
  await docker("network", "create", "first");
  await docker("network", "create", "second");
  await docker("network", "create", "--internal", "closed");
  await web("open", "--network", "first", "-p", "80");
  await web("shut", "--network", "first");
  await sleeper("--name", "other", "--network", "second");
  await sleeper("--name", "inner", "--network", "closed");
  const port = await portOf("open");
  expect(await docker("info", "-f", "{{json .Warnings}}")).toContain(
    `port ${port}/tcp of container open is open`,
  );
  const gateway = await docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "second");
  const first = await docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "first");
  const asked = await Promise.all([
    fetched("open", "other", port, gateway),
    fetched("open", "shut", port, first),
    fetched("open", "open", port, first),
    fetched("shut", "other", 80, await addressOf("shut", "first")),
    fetched("open", "other", 80, await addressOf("open", "first")),
    fetched("open", "inner", port, gateway),
  ]);
  expect(asked).toEqual([true, true, true, false, false, false]);
  expect((await (await fetch(`http://127.0.0.1:${port}/hostname`)).text()).trim()).toBe("open");
  await docker("rm", "-f", "open", "shut", "other", "inner");
  await docker("network", "prune", "-f");
});

test("packet rules that somebody removes are put back", async () => {
  await web("steady", "-p", "80");
  const port = await portOf("steady");
  const table = host("nft", "list", "tables")
    .split("\n")
    .find((line) => line.includes(daemon.name));
  expect(table).toBeDefined();
  for (const command of [
    ["delete", "table", "inet", daemon.name],
    ["flush", "table", "inet", daemon.name],
  ]) {
    const back = daemon.untilLogged("are put back");
    host("nft", ...command);
    await back;
    // The line is written before the work.
    await daemon.docker("network", "create", "turn");
    await daemon.docker("network", "rm", "turn");
    expect(host("nft", "list", "table", "inet", daemon.name)).toContain(`tcp . ${port}`);
    expect((await (await fetch(`http://127.0.0.1:${port}/hostname`)).text()).trim()).toBe("steady");
  }
  await docker("rm", "-f", "steady");
});

test("what is damaged while no daemon runs is mended by the next", async () => {
  await docker("network", "create", "mend");
  await web("serve", "--network", "mend", "-p", "80");
  await sleeper("--name", "peer", "--network", "mend");
  const id = await docker("network", "inspect", "-f", "{{.Id}}", "mend");
  const bridge = `br-${id.slice(0, 12)}`;
  const port = await portOf("serve");
  const address = await addressOf("serve", "mend");
  const links = () => host("ip", "-o", "link", "show", "master", bridge).split("\n").filter(Boolean).length;
  await daemon.kill9();
  // The bridge goes, and with it the place of the links; one link is taken away altogether; the rules too.
  host("ip", "link", "del", bridge);
  const veth = host("ip", "-o", "link").match(/veth[0-9a-f]{7}(?=@)/)?.[0] ?? "";
  host("ip", "link", "del", veth);
  host("nft", "delete", "table", "inet", daemon.name);
  await daemon.restart();
  expect(links()).toBe(2);
  expect(await reaches("peer", "serve")).toBe(true);
  expect(await addressOf("serve", "mend")).toBe(address);
  expect((await (await fetch(`http://127.0.0.1:${port}/hostname`)).text()).trim()).toBe("serve");
  // Nobody is given an address that somebody has.
  await sleeper("--name", "third", "--network", "mend");
  expect(await addressOf("third", "mend")).not.toBe(address);
  await docker("rm", "-f", "serve", "peer", "third");
  await docker("network", "rm", "mend");
  expect(host("ip", "-o", "link")).not.toContain(bridge);
});

test("a link made anew leads out as before; the bridge's address and the container's files come back", async () => {
  await docker("network", "create", "--subnet", "10.250.0.0/24", "again");
  await sleeper("--name", "back", "--network", "again");
  const id = await docker("network", "inspect", "-f", "{{.Id}}", "again");
  const bridge = `br-${id.slice(0, 12)}`;
  const hosts = await docker("inspect", "-f", "{{.HostsPath}}", "back");
  const resolvConf = await docker("inspect", "-f", "{{.ResolvConfPath}}", "back");
  await daemon.kill9();
  const [veth = ""] = host("ip", "-o", "link", "show", "master", bridge).match(/veth[0-9a-f]{7}(?=@)/) ?? [];
  host("ip", "link", "del", veth);
  host("ip", "addr", "flush", "dev", bridge);
  rmSync(hosts);
  rmSync(resolvConf);
  await daemon.restart();
  expect(await sh("back", "ip route | grep default")).toBe("default via 10.250.0.1 dev eth0");
  expect(await reaches("back", "10.250.0.1")).toBe(true);
  expect(readFileSync(hosts, "utf8")).toContain("10.250.0.2");
  expect(readFileSync(resolvConf, "utf8")).toContain("127.0.0.11");
  await docker("rm", "-f", "back");
  await docker("network", "rm", "again");
});

test("whenever the daemon is killed while it connects or disconnects, rows and kernel agree afterwards", async () => {
  await docker("network", "create", "--subnet", "10.251.0.0/24", "second");
  await sleeper("--name", "peer", "--network", "second");
  await sleeper("--name", "moved");
  // Its ports are taken by the first network that can publish them.
  await docker("network", "create", "--internal", "closed");
  await docker("network", "create", "open");
  await web("inner", "--network", "closed", "-p", "80");
  const networksOf = async (container: string) =>
    JSON.parse(await docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", container)) as Record<
      string,
      { IPAddress: string }
    >;
  for (const delayMs of [0, 3, 8, 14, 25]) {
    const verb = "second" in (await networksOf("moved")) ? "disconnect" : "connect";
    const asked = daemon
      .api("POST", `/networks/second/${verb}`, { Container: "moved" })
      .catch(() => undefined);
    const published = daemon
      .api("POST", "/networks/open/connect", { Container: "inner" })
      .catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await daemon.kill9();
    await Promise.all([asked, published]);
    await daemon.restart();
    const isOpen = (await networksOf("inner")).open !== undefined;
    const answer = isOpen
      ? await (await fetch(`http://127.0.0.1:${await portOf("inner")}/hostname`)).text()
      : "";
    expect(answer.trim()).toBe(isOpen ? "inner" : "");
    if (isOpen) {
      // One that has had ports keeps them; a new one has not.
      await docker("rm", "-f", "inner");
      await web("inner", "--network", "closed", "-p", "80");
    }
    const networks = await networksOf("moved");
    const addresses = await sh(
      "moved",
      "ip -o -4 addr show up | grep -v ' lo ' | awk '{print $4}' | cut -d/ -f1",
    );
    expect(addresses.split("\n").toSorted()).toEqual(
      Object.values(networks)
        .map(({ IPAddress }) => IPAddress)
        .toSorted(),
    );
    const seen = await docker("network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{end}}", "second");
    expect(seen.includes("moved")).toBe("second" in networks);
    expect(await reaches("moved", await addressOf("peer", "second"))).toBe("second" in networks);
    if ("second" in networks) expect(await reaches("moved", "peer")).toBe(true);
    expect(await sh("moved", "ip route | grep -c default")).toBe("1");
  }
  await docker("rm", "-f", "peer", "moved", "inner");
  await docker("network", "rm", "second", "closed", "open");
}, 60_000);

test("names are looked up while and after the daemon is away", async () => {
  await docker("network", "create", "lasting");
  await sleeper("--name", "named", "--network", "lasting");
  const address = await addressOf("named", "lasting");
  const pid = await docker("inspect", "-f", "{{.State.Pid}}", "named");
  await daemon.kill9();
  // Asked while nobody answers; the question waits.
  const asked = Bun.spawn(["nsenter", "-n", "-t", pid, "busybox", "nslookup", "named", "127.0.0.11"], {
    stdout: "pipe",
  });
  await daemon.restart();
  expect(await new Response(asked.stdout).text()).toContain(address);
  await docker("rm", "-f", "named");
  await docker("network", "rm", "lasting");
});

test("macvlan links without a parent reach each other and nothing else", async () => {
  await docker("network", "create", "-d", "macvlan", "--subnet", "10.240.0.0/24", "vlan");
  await sleeper("--name", "v1", "--network", "vlan");
  await sleeper("--name", "v2", "--network", "vlan", "--ip", "10.240.0.77");
  expect(await reaches("v1", "10.240.0.77")).toBe(true);
  expect(await reaches("v1", "v2")).toBe(true);
  expect(await sh("v1", "ip route | grep default")).toBe("default via 10.240.0.1 dev eth0");
  await docker("network", "create", "also");
  await docker("network", "connect", "also", "v1");
  expect(await sh("v1", "ip route | grep default")).toContain("dev eth1");
  await docker("rm", "-f", "v1", "v2");
  await docker("network", "rm", "vlan", "also");
});

/** Not every kernel has these links. */
const hasIpvlan =
  spawnSync("unshare", ["-n", "sh", "-c", "ip link add v0 type veth; ip link add link veth0 type ipvlan"])
    .status === 0;

test("ipvlan links work in both modes, or are refused in one sentence", async () => {
  for (const options of [[], ["-o", "ipvlan_mode=l3"]]) {
    const { exitCode, stderr } = await daemon.docker(
      "network",
      "create",
      "-d",
      "ipvlan",
      "--subnet",
      "10.241.0.0/24",
      ...options,
      "vlan",
    );
    if (!hasIpvlan) {
      expect(stderr).toContain("the kernel of this machine has no ipvlan links");
      expect(host("ip", "-o", "link")).not.toMatch(/ d[mx]-/);
      continue;
    }
    expect(exitCode).toBe(0);
    await sleeper("--name", "v1", "--network", "vlan");
    await sleeper("--name", "v2", "--network", "vlan");
    expect(await reaches("v1", "v2")).toBe(true);
    const route = options.length > 0 ? "default dev eth0" : "default via 10.241.0.1 dev eth0";
    expect(await sh("v1", "ip route | grep default")).toContain(route);
    await docker("rm", "-f", "v1", "v2");
    await docker("network", "rm", "vlan");
  }
});

test("macvlan and ipvlan refuse modes and parents that are none", async () => {
  const refusal = async (...args: string[]) =>
    (await daemon.docker("network", "create", ...args, "vlan")).stderr;
  expect(await refusal("-d", "macvlan", "-o", "macvlan_mode=odd")).toContain("unknown macvlan mode: odd");
  expect(await refusal("-d", "ipvlan", "-o", "parent=nowhere0")).toContain(
    "invalid subinterface vlan name nowhere0",
  );
});

test("ports of a running container are published and withdrawn, and stay so over its restart", async () => {
  await web("live");
  const update = (...args: string[]) => daemon.gantry("update", ...args, "live");
  expect((await update("--publish-add", "127.0.0.1:0:80")).stderr).toBe("");
  const port = await portOf("live");
  expect((await (await fetch(`http://127.0.0.1:${port}/hostname`)).text()).trim()).toBe("live");
  await docker("restart", "-t", "0", "live");
  expect((await (await fetch(`http://127.0.0.1:${await portOf("live")}/hostname`)).text()).trim()).toBe(
    "live",
  );
  expect((await update("--publish-rm", "81")).stderr).toContain("port 81/tcp is not published");
  expect((await update("--publish-rm", "80")).exitCode).toBe(0);
  expect(await docker("port", "live")).toBe("");
  await docker("restart", "-t", "0", "live");
  expect(await docker("port", "live")).toBe("");
  await docker("rm", "-f", "live");
});

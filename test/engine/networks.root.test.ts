import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

/** Output of a docker command that has to work. */
async function docker(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await daemon.docker(...args);
  if (exitCode !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
const refusal = async (...args: string[]) => (await daemon.docker(...args)).stderr.trim();
const sleeper = (...options: string[]) => docker("run", "-d", ...options, "busybox", "sleep", "1000");
const sh = (container: string, script: string) => docker("exec", container, "sh", "-c", script);
/** Whether one packet and its answer pass. */
const reaches = async (from: string, address: string) =>
  (await daemon.docker("exec", from, "ping", "-c1", "-W1", address)).exitCode === 0;
const addressOf = (container: string, network: string, field = "IPAddress") =>
  docker("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").${field}}}`, container);

test("a network is made, listed, inspected, and removed when nobody uses it", async () => {
  const id = await docker("network", "create", "--label", "tier=front", "--subnet", "10.201.0.0/24", "front");
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  expect(await docker("network", "ls", "-q", "--no-trunc", "--filter", "label=tier=front")).toBe(id);
  expect(
    await docker(
      "network",
      "inspect",
      "-f",
      "{{(index .IPAM.Config 0).Gateway}} {{.Driver}}",
      id.slice(0, 8),
    ),
  ).toBe("10.201.0.1 bridge");
  expect(await refusal("network", "create", "front")).toContain("network with name front already exists");
  expect(await refusal("network", "create", "--subnet", "10.201.0.128/25", "other")).toContain(
    "Pool overlaps with other one on this address space",
  );
  expect(await refusal("network", "create", "host")).toContain(
    "operation is not permitted on predefined host network",
  );
  expect(await refusal("network", "rm", "bridge")).toContain(
    "bridge is a pre-defined network and cannot be removed",
  );
  expect(await refusal("network", "create", "--subnet", "10.0.0.1/8", "x")).toContain(
    "invalid subnet 10.0.0.1/8",
  );
  expect(
    await refusal("network", "create", "--subnet", "10.202.0.0/24", "--gateway", "10.203.0.1", "x"),
  ).toContain("10.203.0.1");
  await sleeper("--name", "user", "--network", "front");
  expect(await refusal("network", "rm", "front")).toContain("has active endpoints");
  expect(
    await docker(
      "network",
      "inspect",
      "-f",
      "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}",
      "front",
    ),
  ).toBe("user 10.201.0.2/24");
  await docker("rm", "-f", "user");
  expect(await docker("network", "rm", "front")).toBe("front");
  expect(await daemon.api("GET", "/networks/front")).toEqual({
    status: 404,
    body: expect.stringContaining("network front not found"),
  });
});

test("containers reach each other by name within a network and not across networks", async () => {
  await docker("network", "create", "left");
  await docker("network", "create", "right");
  await sleeper("--name", "a1", "--network", "left", "--network-alias", "service");
  await sleeper("--name", "b1", "--network", "left", "--network-alias", "service");
  await sleeper("--name", "c1", "--network", "right");
  const [a, c] = [await addressOf("a1", "left"), await addressOf("c1", "right")];
  expect(await reaches("b1", "a1")).toBe(true);
  expect(await reaches("a1", "a1.left")).toBe(true);
  expect(await reaches("a1", c)).toBe(false);
  expect(await reaches("c1", "a1")).toBe(false);
  expect(await sh("c1", "nslookup a1 127.0.0.11 2>&1; true")).not.toContain(a);
  expect(await sh("b1", `nslookup ${a} 127.0.0.11`)).toContain("a1.left");
  const both = await sh("b1", "nslookup service 127.0.0.11");
  expect(both).toContain(a);
  expect(both).toContain(await addressOf("b1", "left"));
  expect(await sh("a1", "cat /etc/resolv.conf")).toContain("nameserver 127.0.0.11");

  await docker("network", "connect", "--alias", "bridgehead", "right", "a1");
  expect(await reaches("a1", "c1")).toBe(true);
  expect(await reaches("c1", "bridgehead")).toBe(true);
  expect(await reaches("b1", "c1")).toBe(false);
  expect(await refusal("network", "connect", "right", "a1")).toContain(
    "endpoint with name a1 already exists in network right",
  );
  await docker("network", "disconnect", "right", "a1");
  expect(await reaches("a1", c)).toBe(false);
  expect(await reaches("b1", "a1")).toBe(true);
  await docker("rename", "b1", "d1");
  expect(await reaches("a1", "d1")).toBe(true);
  await docker("rm", "-f", "a1", "d1", "c1");
  await docker("network", "prune", "-f");
  expect(await docker("network", "ls", "--format", "{{.Name}}")).toBe("bridge\nhost\nnone");
});

test.concurrent("a name server of the container's own does not meet the engine's", async () => {
  await docker("network", "create", "dns");
  await sleeper("--name", "peer", "--network", "dns");
  await sleeper("--name", "server", "--network", "dns");
  // Port 53 of all addresses is free for it, for TCP and UDP.
  await docker("exec", "-d", "server", "nc", "-l", "-p", "53", "-e", "cat");
  expect(await sh("server", "nslookup peer 127.0.0.11")).toContain(await addressOf("peer", "dns"));
  expect(await sh("peer", "echo through | nc server 53")).toBe("through");
  await docker("rm", "-f", "peer", "server");
  await docker("network", "rm", "dns");
});

test.concurrent("static addresses, MACs, ranges and auxiliary addresses are kept", async () => {
  const options = [
    "--subnet",
    "10.210.0.0/24",
    "--ip-range",
    "10.210.0.64/30",
    "--aux-address",
    "router=10.210.0.65",
  ];
  await docker("network", "create", ...options, "--gateway", "10.210.0.254", "fixed");
  await sleeper(
    "--name",
    "chosen",
    "--network",
    "fixed",
    "--ip",
    "10.210.0.9",
    "--mac-address",
    "02:00:00:00:00:09",
  );
  expect(await sh("chosen", "ip addr show eth0; ip route")).toMatch(
    /02:00:00:00:00:09[\s\S]*10\.210\.0\.9\/24[\s\S]*default via 10\.210\.0\.254 dev eth0/,
  );
  for (const last of [64, 66, 67]) {
    await sleeper("--name", `n${last}`, "--network", "fixed");
    expect(await addressOf(`n${last}`, "fixed")).toBe(`10.210.0.${last}`);
  }
  expect(await refusal("run", "--rm", "--network", "fixed", "busybox", "true")).toContain(
    "no available IPv4 addresses on this network's address pools",
  );
  expect(
    await refusal("run", "--rm", "--network", "fixed", "--ip", "10.210.0.9", "busybox", "true"),
  ).toContain("Address already in use");
  expect(
    await refusal("run", "--rm", "--network", "fixed", "--ip", "10.211.0.9", "busybox", "true"),
  ).toContain("no configured subnet contains IP address 10.211.0.9");
  expect(
    await refusal("run", "--rm", "--network", "bridge", "--ip", "10.210.0.9", "busybox", "true"),
  ).toContain("user specified IP address is supported on user defined networks only");
  await docker("rm", "-f", "chosen", "n64", "n66", "n67");
  await docker("network", "rm", "fixed");
});

test.concurrent("a container in several networks has one default gateway, by priority, and keeps one when networks change", async () => {
  await docker("network", "create", "--subnet", "10.220.0.0/24", "alpha");
  await docker("network", "create", "--subnet", "10.221.0.0/24", "beta");
  await docker("network", "create", "--subnet", "10.222.0.0/24", "--internal", "inside");
  await sleeper("--name", "many", "--network", "inside");
  const route = () => sh("many", "ip route | grep default || true");
  expect(await route()).toBe("");
  await docker("network", "connect", "beta", "many");
  expect(await route()).toBe("default via 10.221.0.1 dev eth1");
  await docker("network", "connect", "alpha", "many");
  expect(await route()).toBe("default via 10.220.0.1 dev eth2");
  await docker("network", "disconnect", "alpha", "many");
  expect(await route()).toBe("default via 10.221.0.1 dev eth1");
  const { status } = await daemon.api("POST", "/networks/alpha/connect", {
    Container: "many",
    EndpointConfig: { GwPriority: 10 },
  });
  expect(status).toBe(200);
  await docker("restart", "-t", "0", "many");
  expect(await route()).toContain("default via 10.220.0.1");
  expect(await sh("many", "ip -o -4 addr | wc -l")).toBe("4");
  await docker("rm", "-f", "many");
  await docker("network", "rm", "alpha", "beta", "inside");
});

test.concurrent("an internal network leads nowhere, ICC off keeps containers apart", async () => {
  await docker("network", "create", "--internal", "closed");
  await docker(
    "network",
    "create",
    "-o",
    "com.docker.network.bridge.enable_icc=false",
    "-o",
    "com.docker.network.driver.mtu=1400",
    "apart",
  );
  await sleeper("--name", "x1", "--network", "closed");
  await sleeper("--name", "y1", "--network", "closed");
  expect(await reaches("x1", "y1")).toBe(true);
  expect(await sh("x1", "ip route | grep -c default || true")).toBe("0");
  await sleeper("--name", "p1", "--network", "apart");
  await sleeper("--name", "q1", "--network", "apart");
  expect(await sh("p1", "cat /sys/class/net/eth0/mtu")).toBe("1400");
  expect(await reaches("p1", await addressOf("q1", "apart"))).toBe(false);
  expect(
    await reaches(
      "p1",
      await docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "apart"),
    ),
  ).toBe(true);
  await docker("rm", "-f", "x1", "y1", "p1", "q1");
  await docker("network", "rm", "closed", "apart");
});

test.concurrent("IPv6 is like IPv4: addresses, names, gateways, published ports; also alone", async () => {
  await docker("network", "create", "--ipv6", "dual");
  const alone = await daemon.api("POST", "/networks/create", {
    Name: "six",
    EnableIPv4: false,
    EnableIPv6: true,
  });
  expect(alone.status).toBe(201);
  await sleeper("--name", "one", "--network", "dual");
  await docker(
    "run",
    "-d",
    "--name",
    "web6",
    "--network",
    "dual",
    "-p",
    "8080",
    "busybox",
    "httpd",
    "-f",
    "-p",
    "[::]:8080",
    "-h",
    "/etc",
  );
  const six = await addressOf("web6", "dual", "GlobalIPv6Address");
  expect(six).toMatch(/^fd/);
  expect(await sh("one", "nslookup web6 127.0.0.11")).toContain(six);
  expect(await sh("one", "wget -qO- http://web6:8080/hostname")).toBe(
    await docker("inspect", "-f", "{{.Config.Hostname}}", "web6"),
  );
  expect(await sh("one", "ip -6 route")).toContain("default via fd");
  const port = Number(
    await docker("inspect", "-f", '{{(index (index .NetworkSettings.Ports "8080/tcp") 0).HostPort}}', "web6"),
  );
  for (const address of ["127.0.0.1", "::1"]) {
    const host = address === "::1" ? "[::1]" : address;
    const reply = await fetch(`http://${host}:${port}/hostname`);
    expect((await reply.text()).trim()).toBe(await docker("inspect", "-f", "{{.Config.Hostname}}", "web6"));
  }
  await sleeper("--name", "only6", "--network", "six");
  await sleeper("--name", "also6", "--network", "six");
  expect(await reaches("only6", "also6")).toBe(true);
  expect(await addressOf("only6", "six")).toBe("");
  await docker("rm", "-f", "one", "web6", "only6", "also6");
  await docker("network", "rm", "dual", "six");
});

test.concurrent("host and none go alone, and legacy links name a container of the default bridge", async () => {
  await docker("network", "create", "any");
  await sleeper("--name", "hosted", "--network", "host");
  await sleeper("--name", "lonely", "--network", "none");
  expect(await refusal("network", "connect", "any", "hosted")).toContain("host network");
  expect(await refusal("network", "connect", "any", "lonely")).toContain("private (none) mode");
  await sleeper("--name", "target");
  const linked = await docker("run", "--rm", "--link", "target:db", "busybox", "ping", "-c1", "-W1", "db");
  expect(linked).toContain(await addressOf("target", "bridge"));
  expect(
    await docker("run", "--rm", "--add-host", "gw:host-gateway", "busybox", "cat", "/etc/hosts"),
  ).toContain(`${await docker("inspect", "-f", "{{.NetworkSettings.Gateway}}", "target")}\tgw`);
  await docker("rm", "-f", "hosted", "lonely", "target");
  await docker("network", "rm", "any");
});

test("events tell of networks and of who comes and goes", async () => {
  const since = String(Date.now() / 1000);
  await docker("network", "create", "watched");
  await sleeper("--name", "w1", "--network", "watched");
  await docker("rm", "-f", "w1");
  await docker("network", "rm", "watched");
  const until = String(Date.now() / 1000 + 0.001);
  const format = "{{.Action}} {{.Actor.Attributes.name}}";
  const told = await docker(
    "events",
    "--since",
    since,
    "--until",
    until,
    "--filter",
    "type=network",
    "--format",
    format,
  );
  expect(told.split("\n")).toEqual([
    "create watched",
    "connect watched",
    "disconnect watched",
    "destroy watched",
  ]);
});

test("Gantry's own client makes, lists, uses and removes networks", async () => {
  const gantry = async (...args: string[]) => {
    const { stdout, stderr, exitCode } = await daemon.gantry(...args);
    if (exitCode !== 0) throw new Error(`gantry ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  const own = ["--subnet", "10.230.0.0/24", "--gateway", "10.230.0.7", "--aux-address", "r=10.230.0.1"];
  await gantry("network", "create", "--label", "a=b", ...own, "mine");
  await gantry("network", "create", "--ipv4=false", "--ipv6", "six");
  expect(await gantry("network", "ls", "--filter", "driver=bridge", "--format", "{{.Name}} {{.IPv6}}")).toBe(
    "bridge false\nmine false\nsix true",
  );
  await gantry(
    "run",
    "-d",
    "--name",
    "both",
    "--network",
    "name=mine,ip=10.230.0.9,alias=nine",
    "--network",
    "six",
    "busybox",
    "sleep",
    "1000",
  );
  expect(await sh("both", "ip -o -4 addr show eth0")).toContain("10.230.0.9/24");
  expect(await sh("both", "ip route")).toContain("default via 10.230.0.7");
  expect(await sh("both", "ip -6 route")).toContain("default via fd");
  await gantry("network", "disconnect", "mine", "both");
  await gantry("network", "connect", "--ip", "10.230.0.11", "mine", "both");
  expect(await addressOf("both", "mine")).toBe("10.230.0.11");
  expect(await gantry("network", "inspect", "--format", "{{.Internal}}", "mine")).toBe("false");
  expect((await daemon.gantry("network", "connect", "nowhere", "both")).stderr).toContain(
    "network nowhere not found",
  );
  await gantry("rm", "-f", "both");
  expect(await gantry("network", "prune", "-f")).toBe("Deleted Networks:\nmine\nsix");
});

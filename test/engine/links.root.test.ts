import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

async function docker(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await daemon.docker(...args);
  if (exitCode !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
const refusal = async (...args: string[]) => (await daemon.docker(...args)).stderr.trim();
const sleeper = (...options: string[]) => docker("run", "-d", ...options, "busybox", "sleep", "1000");
const addressOf = (container: string, network: string) =>
  docker("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);

test("a link on the default bridge gives variables, to the container and what is executed in it", async () => {
  await sleeper("--name", "target", "-e", "SECRET=s", "--expose", "80", "--expose", "5/udp");
  const address = await addressOf("target", "bridge");
  await sleeper("--name", "linker", "--link", "target:my-db", "-e", "MY_DB_NAME=mine");
  const expected = [
    `MY_DB_PORT=tcp://${address}:80`,
    `MY_DB_PORT_80_TCP_ADDR=${address}`,
    `MY_DB_PORT_5_UDP=udp://${address}:5`,
    "MY_DB_ENV_SECRET=s",
    "MY_DB_NAME=mine",
  ];
  const own = await docker("exec", "linker", "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ");
  const executed = await docker("exec", "linker", "env");
  for (const variable of expected) {
    expect(own.split("\n")).toContain(variable);
    expect(executed.split("\n")).toContain(variable);
  }
  expect(await docker("inspect", "-f", "{{json .HostConfig.Links}}", "linker")).toBe(
    '["/target:/linker/my-db"]',
  );
  // It leads to the container, whatever that is called, and to no other one of its old name.
  await docker("rename", "target", "renamed");
  await docker("restart", "-t", "0", "linker");
  expect(await docker("exec", "linker", "cat", "/etc/hosts")).toContain(`${address}\tmy-db renamed`);
  await docker("stop", "-t", "0", "renamed");
  expect(await docker("exec", "linker", "env")).not.toContain("MY_DB_PORT");
  expect(await refusal("restart", "-t", "0", "linker")).toContain(
    "Cannot link to a non running container: /renamed AS /linker/my-db",
  );
  await docker("rm", "-f", "linker", "renamed");
});

test("links that lead nowhere are refused when a container is made", async () => {
  expect(await refusal("create", "--link", "missing:x", "busybox", "true")).toContain(
    "could not get container for missing: No such container: missing",
  );
  await docker("network", "create", "elsewhere");
  await sleeper("--name", "away", "--network", "elsewhere");
  expect(await refusal("run", "--rm", "--link", "away:x", "busybox", "true")).toContain(
    "Cannot link to /away, as it does not belong to the default network",
  );
  // In a user's network a link is an alias, and needs nobody behind it.
  const place = ["--network", "elsewhere", "--link", "away:x"];
  expect(await docker("run", "--rm", ...place, "busybox", "sh", "-c", "ping -c1 -W1 x; env")).not.toContain(
    "X_PORT",
  );
  await docker("rm", "-f", "away");
  await docker("network", "rm", "elsewhere");
});

test("link-local addresses are a container's beside its others", async () => {
  await docker("network", "create", "--ipv6", "near");
  const place = ["--network", "near", "--link-local-ip"];
  await sleeper("--name", "one", ...place, "169.254.7.7", "--link-local-ip", "fe80::77");
  await sleeper("--name", "two", ...place, "169.254.7.8");
  expect(await docker("exec", "two", "ping", "-c1", "-W5", "169.254.7.7")).toContain("1 packets received");
  expect(await docker("exec", "two", "ping", "-c1", "-W5", "fe80::77%eth0")).toContain("1 packets received");
  expect(await docker("exec", "two", "ping", "-c1", "-W5", "one")).toContain("1 packets received");
  expect(
    await docker("inspect", "-f", "{{json .NetworkSettings.Networks.near.IPAMConfig.LinkLocalIPs}}", "one"),
  ).toBe('["169.254.7.7","fe80::77"]');
  await docker("network", "create", "four");
  await docker("network", "connect", "--link-local-ip", "169.254.9.9", "four", "one");
  expect(await docker("exec", "one", "ip", "-o", "addr", "show", "eth1")).toContain("169.254.9.9/16");
  expect(
    await refusal("run", "--rm", "--network", "near", "--link-local-ip", "10.1.1.1", "busybox"),
  ).toContain("invalid link local IP address: 10.1.1.1");
  expect(
    await refusal("run", "--rm", "--network", "four", "--link-local-ip", "fe80::1", "busybox"),
  ).toContain("needs a network with IPv6");
  await docker("rm", "-f", "one", "two");
  await docker("network", "rm", "near", "four");
});

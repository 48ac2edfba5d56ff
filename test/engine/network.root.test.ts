import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDaemon, startWeb, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();

test("containers on the bridge have an address, a gateway and reach each other", async () => {
  await startWeb(daemon, "web");
  const address = await docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web");
  const gateway = await docker("inspect", "-f", "{{.NetworkSettings.Gateway}}", "web");
  expect(address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  const { stdout } = await daemon.docker(
    "run",
    "--rm",
    "busybox",
    "sh",
    "-c",
    `ip route; wget -qO- http://${address}/hostname`,
  );
  expect(stdout).toContain(`default via ${gateway} dev eth0`);
  expect(stdout).toEndWith("\nweb\n");
  await docker("rm", "-f", "web");
});

test("none has lo only, host sees the host's links, container: shares", async () => {
  const links = (stdout: string) => [...stdout.matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name);
  expect(links(await docker("run", "--rm", "--network", "none", "busybox", "ip", "link"))).toEqual(["lo"]);
  expect(links(await docker("run", "--rm", "--network", "host", "busybox", "ip", "link"))).toContain("eth0");
  await docker("run", "-d", "--name", "base", "busybox", "sleep", "1000");
  const own = await docker("exec", "base", "ip", "addr", "show", "eth0");
  expect(
    await docker("run", "--rm", "--network", "container:base", "busybox", "ip", "addr", "show", "eth0"),
  ).toBe(own);
  await docker("rm", "-f", "base");
});

/** Servers that tell when they listen; the host's perl runs them, seen through a mount. */
const UDP_SERVER =
  'use IO::Socket::INET; $| = 1; $s = IO::Socket::INET->new(LocalPort => 70, Proto => "udp"); print "listening\\n"; $s->send("served\\n") while $s->recv($m, 99)';
const TCP_SERVER =
  'use IO::Socket::INET; $| = 1; $s = IO::Socket::INET->new(LocalPort => 70, Listen => 9); print "listening\\n"; while ($c = $s->accept) { <$c>; print $c "served\\n"; close $c }';

test.each([
  ["tcp", TCP_SERVER],
  ["udp", UDP_SERVER],
] as const)("a published %s port is reached through loopback", async (protocol, server) => {
  const where = ["--name", "pub", "-v", "/:/host:ro", "-p", `127.0.0.1::70/${protocol}`];
  await docker("run", "-d", ...where, "busybox", "chroot", "/host", "perl", "-e", server);
  await daemon.untilLog("pub", "listening");
  const port = await docker(
    "inspect",
    "-f",
    `{{(index (index .NetworkSettings.Ports "70/${protocol}") 0).HostPort}}`,
    "pub",
  );
  expect(await daemon.askPort(protocol, Number(port))).toBe("served\n");
  expect(await docker("ps", "--format", "{{.Ports}}")).toBe(`127.0.0.1:${port}->70/${protocol}`);
  await docker("rm", "-f", "pub");
});

test("a port that is taken is refused, by another container or by a stranger", async () => {
  await docker("run", "-d", "--name", "first", "-p", "127.0.0.1:0:80", "busybox", "sleep", "1000");
  const port = await docker(
    "inspect",
    "-f",
    '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}',
    "first",
  );
  const second = await daemon.docker(
    "run",
    "-d",
    "--rm",
    "-p",
    `127.0.0.1:${port}:80`,
    "busybox",
    "sleep",
    "1000",
  );
  expect(second.exitCode).toBe(125);
  expect(second.stderr).toContain("port is already allocated");
  await docker("rm", "-f", "first");
});

test("hosts, hostname and resolv.conf name the container", async () => {
  const script = "cat /etc/hosts /etc/hostname; grep -c nameserver /etc/resolv.conf";
  const out = await docker(
    "run",
    "--rm",
    "-h",
    "me",
    "--add-host",
    "other:10.1.2.3",
    "--dns",
    "10.9.8.7",
    "busybox",
    "sh",
    "-c",
    script,
  );
  expect(out).toMatch(/127\.0\.0\.1\tlocalhost/);
  expect(out).toMatch(/10\.1\.2\.3\tother/);
  expect(out).toMatch(/\d+\tme\n/);
  expect(out.split("\n").at(-1)).toBe("1");
});

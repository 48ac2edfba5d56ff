import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { startDaemon, type TestDaemon } from "../harness/index.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon([
    "--ip",
    "127.0.0.1",
    "--publish-filter",
    "input",
    "--default-address-pool",
    "base=10.77.0.0/16,size=28",
  ]);
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
}, 60_000);

const docker = async (...args: string[]) => (await daemon.docker(...args)).stdout.trim();

test("ports are published where the engine is told to, and packets come to the host's own ports", async () => {
  await docker("run", "-d", "--name", "kept", "-p", "80", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc");
  const [binding, more] = JSON.parse(
    await docker("inspect", "-f", '{{json (index .NetworkSettings.Ports "80/tcp")}}', "kept"),
  );
  expect(binding.HostIp).toBe("127.0.0.1");
  expect(more).toBeUndefined();
  const reply = await fetch(`http://127.0.0.1:${binding.HostPort}/hostname`);
  expect((await reply.text()).trim()).toBe(await docker("inspect", "-f", "{{.Config.Hostname}}", "kept"));
  // Nothing goes past the host's rules for its own ports.
  expect(execFileSync("nft", ["list", "table", "inet", daemon.name], { encoding: "utf8" })).not.toContain(
    binding.HostPort,
  );
  await docker("rm", "-f", "kept");
});

test("datagrams are carried to a container and back", async () => {
  const server =
    'use IO::Socket::INET; $s = IO::Socket::INET->new(LocalPort => 70, Proto => "udp"); $s->send("served\\n") while $s->recv($m, 99)';
  const where = ["--name", "udp", "-v", "/:/host:ro", "-p", "0:70/udp"];
  await docker("run", "-d", ...where, "busybox", "chroot", "/host", "perl", "-e", server);
  const port = await docker(
    "inspect",
    "-f",
    '{{(index (index .NetworkSettings.Ports "70/udp") 0).HostPort}}',
    "udp",
  );
  expect(await daemon.askPort("udp", Number(port))).toBe("served\n");
  await docker("rm", "-f", "udp");
});

test("networks are cut from the pools that the engine is given", async () => {
  const subnet = (name: string) =>
    docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", name);
  await docker("network", "create", "small");
  expect(await subnet("bridge")).toBe("10.77.0.0/28");
  expect(await subnet("small")).toBe("10.77.0.16/28");
  await docker("network", "rm", "small");
});

import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon, TestMachine } from "../harness/index.ts";

/** The machine has two name servers, on loopback addresses that no container reaches by itself. */
const SERVERS = ["127.1.0.1", "127.1.0.2"] as const;
let machine: TestMachine;
let server: ChildProcess;
let daemon: TestDaemon;

beforeAll(async () => {
  machine = await TestMachine.start();
  const [program = "", ...words] = [...machine.enter, process.execPath];
  server = spawn(program, [...words, join(import.meta.dirname, "../harness/name-server.ts"), ...SERVERS], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (server.stdout === null) throw new Error("the name server has no output");
  let said = "";
  for await (const chunk of server.stdout) {
    said += String(chunk);
    if (SERVERS.every((address) => said.includes(`ready ${address}`))) break;
  }
  writeFileSync(machine.resolvConf, `nameserver ${SERVERS[0]}\n`);
  daemon = await startDaemon([], machine);
  await docker("network", "create", "--subnet", "10.90.0.0/16", "named");
  await docker("network", "create", "--internal", "closed");
  // The machine's own dig, seen through a mount.
  const tools = ["-v", "/:/host:ro", "--network", "named"];
  await docker("run", "-d", "--name", "client", ...tools, "busybox", "sleep", "1000");
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  server.kill();
  if (server.exitCode === null && server.signalCode === null) await once(server, "exit");
  await machine[Symbol.asyncDispose]();
}, 60_000);

async function docker(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await daemon.docker({ limitMs: 30_000 }, ...args);
  if (exitCode !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

interface Reply {
  readonly status: string;
  readonly addresses: readonly string[];
  readonly truncated: boolean;
  readonly transport: string;
  readonly bytes: number;
}

/** What dig(1) in a container gets from the engine's name server. */
async function dig(...words: string[]): Promise<Reply> {
  const args = ["exec", "client", "chroot", "/host", "dig", "@127.0.0.11", "+tries=1", "+time=20", ...words];
  const text = await docker(...args);
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? "",
    addresses: [...text.matchAll(/\sIN\s+A\s+([\d.]+)/g)].map(([, address = ""]) => address),
    truncated: / flags:[a-z ]* tc[ ;]/.test(text),
    transport: /SERVER: .*\((TCP|UDP)\)/.exec(text)?.[1] ?? "",
    bytes: Number(/MSG SIZE {2}rcvd: (\d+)/.exec(text)?.[1]),
  };
}

test("questions are forwarded to the host's servers over both transports", async () => {
  expect(await dig("who.example")).toMatchObject({ addresses: [SERVERS[0]], transport: "UDP" });
  expect(await dig("+tcp", "who.example")).toMatchObject({ addresses: [SERVERS[0]], transport: "TCP" });
  expect(await dig("nowhere.example")).toMatchObject({ status: "NXDOMAIN", addresses: [] });
  expect(await dig("AAAA", "who.example")).toMatchObject({ status: "NOERROR", addresses: [] });
});

test("what a server cut is asked for again over TCP, and the client gets it whole", async () => {
  expect(await dig("+ignore", "+noedns", "cut.example")).toMatchObject({
    addresses: ["192.0.2.77"],
    truncated: false,
    transport: "UDP",
  });
});

test("an answer larger than the client takes over UDP is cut there, and whole over TCP", async () => {
  const cut = await dig("+ignore", "+noedns", "100.many.example");
  expect(cut).toMatchObject({ truncated: true, transport: "UDP" });
  expect(cut.bytes).toBeLessThanOrEqual(512);
  // A client that says it takes more gets more.
  const large = await dig("+ignore", "+bufsize=4096", "100.many.example");
  expect(large).toMatchObject({ truncated: false, transport: "UDP" });
  expect(large.addresses).toHaveLength(100);
  // And one that understands asks again.
  const whole = await dig("+noedns", "100.many.example");
  expect(whole).toMatchObject({ truncated: false, transport: "TCP" });
  expect(whole.addresses).toHaveLength(100);
  expect((await dig("+tcp", "3000.many.example")).addresses).toHaveLength(3000);
});

test("a service of many containers is answered from the engine's knowledge, cut and whole alike", async () => {
  const count = 40;
  const place = ["--network", "named", "--network-alias", "service"];
  const made = Array.from({ length: count }, () => docker("run", "-d", ...place, "busybox", "sleep", "1000"));
  const ids = await Promise.all(made);
  expect((await dig("+ignore", "+noedns", "service")).truncated).toBe(true);
  const whole = await dig("+noedns", "service");
  expect(whole.transport).toBe("TCP");
  expect(new Set(whole.addresses).size).toBe(count);
  // Each gets to be the first.
  const [first, second] = [await dig("+tcp", "service"), await dig("+tcp", "service")];
  expect(first.addresses[0]).not.toBe(second.addresses[0] ?? "");
  await docker("rm", "-f", ...ids);
}, 60_000);

test("the host's resolv.conf is followed when it changes, and the next server asked when one is silent", async () => {
  writeFileSync(machine.resolvConf, `nameserver ${SERVERS[1]}\n`);
  expect((await dig("who.example")).addresses).toEqual([SERVERS[1]]);
  // Nobody listens at the first of these.
  writeFileSync(machine.resolvConf, `nameserver 127.1.0.9\nnameserver ${SERVERS[0]}\n`);
  expect((await dig("who.example")).addresses).toEqual([SERVERS[0]]);
  writeFileSync(machine.resolvConf, "");
  expect((await dig("who.example")).addresses).toEqual([]);
  writeFileSync(machine.resolvConf, `nameserver ${SERVERS[0]}\n`);
  expect((await dig("who.example")).addresses).toEqual([SERVERS[0]]);
});

test("--dns is asked from where the container is, also in an internal network, which has no other servers", async () => {
  const script = join(import.meta.dirname, "../harness/name-server.ts");
  const serve = ["chroot", "/host", process.execPath, script];
  await docker("network", "create", "--internal", "--subnet", "10.91.0.0/24", "inside");
  const places = [
    ["named", "10.90.200.1"],
    ["inside", "10.91.0.200"],
  ] as const;
  const ask = (network: string, ...options: string[]) =>
    docker(
      ...["run", "--rm", "--network", network, ...options, "busybox", "sh", "-c"],
      "nslookup -type=a who.example 127.0.0.11 2>&1; nslookup -type=a cut.example 127.0.0.11 2>&1; true",
    );
  await Promise.all(
    places.map(async ([network, address]) => {
      const place = [
        "--name",
        `server-${network}`,
        "--network",
        network,
        "--ip",
        address,
        "-v",
        "/:/host:ro",
      ];
      await docker("run", "-d", ...place, "busybox", ...serve, address);
      await daemon.untilLog(`server-${network}`, `ready ${address}`);
      const answers = await ask(network, "--dns", address);
      expect(answers).toContain(`Address: ${address}`);
      // By TCP.
      expect(answers).toContain("Address: 192.0.2.77");
    }),
  );
  // Nobody answers there: it is not the host's loopback, and the next one is asked.
  const [, [, inside]] = places;
  expect(await ask("inside", "--dns", SERVERS[1], "--dns", inside)).toContain(`Address: ${inside}`);
  expect(await ask("closed")).not.toContain(SERVERS[0]);
  await docker("rm", "-f", ...places.map(([network]) => `server-${network}`));
}, 60_000);

import { afterAll, beforeAll, expect, test } from "bun:test";
import { startDaemon, TestMachine } from "../harness/index.ts";

/** Where the machine and the world outside meet; documentation ranges, on a link of the test's own. */
const MACHINE = { 4: "203.0.113.1", 6: "2001:db8:113::1" } as const;
const WORLD = { 4: "203.0.113.2", 6: "2001:db8:113::2" } as const;
type Family = 4 | 6;
/** What is asked where, and who is to answer; "" when nobody is. */
type Asked = readonly [key: string, url: string, expected: string];

/** Who is in which network; every container serves its own name on port 80 of both families. */
const NETWORKS = {
  bridge: { members: ["b1", "b2"], families: [4, 6] },
  first: { members: ["u1", "u2"], families: [4, 6] },
  second: { members: ["v1"], families: [4, 6] },
  six: { members: ["s1", "s2"], families: [6] },
  closed: { members: ["i1", "i2"], families: [4, 6] },
  apart: { members: ["x1", "x2"], families: [4, 6] },
  routed: { members: ["r1"], families: [4, 6] },
} as const satisfies Record<string, { members: readonly string[]; families: readonly Family[] }>;
const CREATE: Readonly<Record<string, readonly string[]>> = {
  first: ["--ipv6"],
  second: ["--ipv6"],
  six: ["--ipv4=false", "--ipv6"],
  closed: ["--ipv6", "--internal"],
  apart: ["--ipv6", "-o", "com.docker.network.bridge.enable_icc=false"],
  routed: [
    "--ipv6",
    ...["-o", "com.docker.network.bridge.gateway_mode_ipv4=routed"],
    ...["-o", "com.docker.network.bridge.gateway_mode_ipv6=routed"],
  ],
};
const PUBLISHED: Readonly<Record<string, number>> = { b1: 8001, u1: 8002, s1: 8003, r1: 8004 };
/** Its name at /hostname, and at /cgi-bin/from the address that the question came from. */
const SERVE = `mkdir -p /www/cgi-bin; cp /etc/hostname /www
  printf '#!/bin/sh\necho; echo "$REMOTE_ADDR" | sed "s/.*ffff://; s/[][]//g"' > /www/cgi-bin/from; chmod 755 /www/cgi-bin/from
  httpd -p [::]:80 -h /www; echo listening; exec sleep 1000`;
const FAMILIES = [4, 6] as const;
/** A routed network's ports are not translated. */
const translated = Object.entries(PUBLISHED).filter(([name]) => name !== "r1");
const names = Object.values(NETWORKS).flatMap(({ members }) => [...members]);
const networkOf = (name: string) =>
  Object.entries(NETWORKS).find(([, { members }]) => (members as readonly string[]).includes(name))?.[0] ??
  "";

function familiesOf(name: string): readonly Family[] {
  const network: { families: readonly Family[] } = NETWORKS[networkOf(name) as keyof typeof NETWORKS];
  return network.families;
}

/** The packet that opens an association (RFC 9260 3.3.2): header with its CRC32c, and one INIT chunk. */
function sctpInit(sourcePort: number, destinationPort: number): Buffer {
  const packet = Buffer.alloc(32);
  packet.writeUInt16BE(sourcePort, 0);
  packet.writeUInt16BE(destinationPort, 2);
  packet.writeUInt8(1, 12);
  packet.writeUInt16BE(20, 14);
  packet.writeUInt32BE(0x1234_5678, 16);
  packet.writeUInt32BE(65_536, 20);
  packet.writeUInt16BE(1, 24);
  packet.writeUInt16BE(1, 26);
  packet.writeUInt32BE(1, 28);
  packet.writeUInt32LE(crc32c(packet), 8);
  return packet;
}

function crc32c(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}

/** Whether a connection from one container to another's own address is to be made. */
function meets(from: string, to: string): boolean {
  const [a, b] = [networkOf(from), networkOf(to)];
  if (from === to) return true;
  if (a === b) return a !== "apart";
  // A routed network's published ports are open at the container's own address.
  return b === "routed" && a !== "closed" && to in PUBLISHED;
}

/** A world and a machine on one link, and on the machine an engine with all the networks and containers. */
async function createSite(backend: "nftables" | "iptables") {
  await using stack = new AsyncDisposableStack();
  const addresses = new Map<string, string>();
  const addressOf = (name: string, family: Family) => addresses.get(`${name}/${family}`) ?? "";
  const url = (address: string, port: number, path = "hostname") =>
    `http://${address.includes(":") ? `[${address}]` : address}:${port}/${path}`;

  async function docker(...args: string[]): Promise<string> {
    const { stdout, stderr, exitCode } = await daemon.docker({ limitMs: 30_000 }, ...args);
    if (exitCode !== 0) throw new Error(`${backend}: docker ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /**
   * A script that asks all of these at once, and says who answers what. What is to be reached has time on a busy
   * machine; on what is not, nobody waits for long.
   */
  const askAll = (asked: readonly Asked[]) =>
    `${asked
      .map(
        ([key, where, expected]) =>
          `(echo "${key} $(timeout ${expected === "" ? 1 : 30} busybox wget -qO- ${where} 2>/dev/null)") &`,
      )
      .join("\n")}\nwait`;
  /** Ask from a place that runs scripts, and expect every answer. */
  async function expectAnswers(
    place: string,
    run: (script: string) => Promise<string>,
    asked: readonly Asked[],
  ): Promise<void> {
    const answers = new Set((await run(askAll(asked))).split("\n").map((line) => line.trim()));
    const told = asked.map(([key, , expected]) => `${key} ${expected}`.trim());
    expect([backend, place, ...[...answers].toSorted()]).toEqual([backend, place, ...told.toSorted()]);
  }
  const within = (name: string) => (script: string) => docker("exec", name, "sh", "-c", script);
  const askFrom = (name: string, asked: readonly Asked[]) => expectAnswers(name, within(name), asked);
  const askFromWorld = (asked: readonly Asked[]) =>
    expectAnswers("world", (script) => world.sh(script), asked);
  const askFromMachine = (asked: readonly Asked[]) =>
    expectAnswers("machine", (script) => machine.sh(script), asked);

  const world = stack.use(await TestMachine.start());
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
      ip -6 route add default via ${MACHINE[6]}
      busybox mkdir -p ${world.folder}/www
      echo world > ${world.folder}/www/hostname
      busybox httpd -p [::]:80 -h ${world.folder}/www`);
  const daemon = stack.use(
    await startDaemon(
      ["--firewall-backend", backend, "--ipv6", "--fixed-cidr-v6", "fd00:aa:bb::/64"],
      machine,
    ),
  );
  for (const [name, options] of Object.entries(CREATE)) await docker("network", "create", ...options, name);
  await Promise.all(
    names.map(async (name) => {
      const port = PUBLISHED[name];
      const publish = port === undefined ? [] : ["-p", `${port}:80`];
      const place = ["--name", name, "-h", name, "--network", networkOf(name), ...publish];
      await docker("run", "-d", ...place, "busybox", "sh", "-ec", SERVE);
      await daemon.untilLog(name, "listening");
    }),
  );
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
  const described = await docker("inspect", "-f", `{{.Name}} ${format}`, ...names);
  for (const line of described.split("\n")) {
    const [name = "", four = "", six = ""] = line.split(" ");
    addresses.set(`${name.slice(1)}/4`, four);
    addresses.set(`${name.slice(1)}/6`, six);
  }
  const owned = stack.move();
  return {
    backend,
    world,
    machine,
    daemon,
    docker,
    url,
    addressOf,
    expectAnswers,
    askFrom,
    askFromWorld,
    askFromMachine,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Site = Awaited<ReturnType<typeof createSite>>;
/** One container of each network, and how they meet others of it. */
const sources = Object.values(NETWORKS).map(({ members: [first] }) => first);

let sites: readonly Site[] = [];
beforeAll(async () => {
  sites = await Promise.all((["nftables", "iptables"] as const).map(createSite));
}, 60_000);
afterAll(async () => {
  await Promise.all(sites.map((site) => site[Symbol.asyncDispose]()));
}, 60_000);
/** With both backends at once: most of the time is waiting for answers that are not to come. */
const withBoth = (name: string, check: (site: Site) => Promise<void>) =>
  test(name, async () => {
    await Promise.all(sites.map(check));
  }, 60_000);

withBoth(
  "every container reaches those it is to reach, in each family, and nobody else",
  async ({ url, addressOf, askFrom }) => {
    await Promise.all(
      sources.map((from) =>
        askFrom(
          from,
          names.flatMap((to) =>
            familiesOf(to)
              .filter((family) => familiesOf(from).includes(family))
              .map(
                (family): Asked => [
                  `${to}/${family}`,
                  url(addressOf(to, family), 80),
                  meets(from, to) ? to : "",
                ],
              ),
          ),
        ),
      ),
    );
  },
);

withBoth("the world is reached from every network with a way out", async ({ url, askFrom }) => {
  await Promise.all(
    sources.map((from) =>
      askFrom(
        from,
        FAMILIES.map((family): Asked => {
          const isWayOut = networkOf(from) !== "closed" && familiesOf(from).includes(family);
          return [`world/${family}`, url(WORLD[family], 80), isWayOut ? "world" : ""];
        }),
      ),
    ),
  );
});

withBoth(
  "the world reaches published ports, is seen as who it is, and reaches no container's own address",
  async ({ url, addressOf, askFromWorld }) => {
    const ports = translated.flatMap(([name, port]) =>
      FAMILIES.map((family): Asked => [`${name}/${family}`, url(MACHINE[family], port), name]),
    );
    const direct = names.flatMap((name) =>
      familiesOf(name).map(
        (family): Asked => [
          `own-${name}/${family}`,
          url(addressOf(name, family), 80),
          name === "r1" ? name : "",
        ],
      ),
    );
    const seen = FAMILIES.map(
      (family): Asked => [
        `seen/${family}`,
        url(MACHINE[family], PUBLISHED.u1 ?? 0, "cgi-bin/from"),
        WORLD[family],
      ],
    );
    await askFromWorld([...ports, ...direct, ...seen]);
  },
);

withBoth(
  "published ports are reached from the machine, from every container with a way out, and from within",
  async ({ url, askFrom, askFromMachine }) => {
    const here = ["127.0.0.1", "::1", MACHINE[4], MACHINE[6]];
    await askFromMachine(
      translated.flatMap(([name, port]) =>
        here.map((address): Asked => [`${name}/${address}`, url(address, port), name]),
      ),
    );
    await Promise.all(
      sources.map((from) =>
        askFrom(
          from,
          translated.flatMap(([name, port]) =>
            familiesOf(from).map(
              (family): Asked => [
                `${name}/${family}`,
                url(MACHINE[family], port),
                networkOf(from) === "closed" ? "" : name,
              ],
            ),
          ),
        ),
      ),
    );
  },
);

withBoth("a published port of SCTP leads to its container", async ({ world, daemon, docker }) => {
  // Not every kernel has sockets of SCTP, so both ends look at packets.
  const wait = `socket(S, 2, 3, 132) or die $!; print STDOUT "listening\\n";
      while (sysread(S, $p, 999)) { ($s, $d, $t) = unpack("nn", substr($p, 20)); if ($d == 90) { print "from $s to $d\\n"; exit } }`;
  const place = ["--name", "sctp", "-p", "8020:90/sctp", "-v", "/:/host:ro"];
  await docker("run", "-d", ...place, "busybox", "chroot", "/host", "perl", "-e", `$| = 1; ${wait}`);
  await daemon.untilLog("sctp", "listening");
  const send = `socket(S, 2, 3, 132) or die $!; send(S, pack("H*", "${sctpInit(4321, 8020).toString("hex")}"), 0, pack("Sna4x8", 2, 0, pack("C4", ${MACHINE[4].replaceAll(".", ",")}))) or die $!`;
  await world.run("perl", ["-e", send]);
  await daemon.untilLog("sctp", "from 4321 to 90");
  await docker("rm", "-f", "sctp");
});

withBoth(
  "what is published to loopback is not for neighbours, nor the machine's loopback for containers",
  async ({ world, machine, daemon, docker, url, expectAnswers, askFromWorld, askFromMachine }) => {
    const place = ["--name", "inner", "-h", "inner", "-p", "127.0.0.1:8010:80"];
    await docker("run", "-d", ...place, "busybox", "sh", "-ec", SERVE);
    await daemon.untilLog("inner", "listening");
    await machine.sh(`
      busybox mkdir -p ${machine.folder}/www
      echo loopback > ${machine.folder}/www/hostname
      busybox httpd -p 127.0.0.1:8011 -h ${machine.folder}/www`);
    const inner = url("127.0.0.1", 8010);
    await askFromMachine([["inner", inner, "inner"]]);
    /** Who sends packets for 127.0.0.1 to a neighbour has to be let go of it first. */
    const misroute = (gateway: string, device: string) => `
      echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
      ip addr flush dev lo
      own=$(ip -4 -o addr show ${device} | awk '{print $4}' | cut -d/ -f1)
      ip route add 127.0.0.1/32 via ${gateway} dev ${device} src $own`;
    await world.sh(misroute(MACHINE[4], "in"));
    await askFromWorld([["inner", inner, ""]]);
    const gateway = await docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge");
    await expectAnswers(
      "privileged",
      (script) =>
        docker(
          ...["run", "--rm", "--privileged", "busybox", "sh", "-ec"],
          `${misroute(gateway, "eth0")}\n${script}`,
        ),
      [["loopback", url("127.0.0.1", 8011), ""]],
    );
    await docker("rm", "-f", "inner");
  },
);

withBoth(
  "the administrator's own chain is asked first, and never changed",
  async ({ machine, daemon, docker, url, askFrom, askFromWorld }) => {
    const port = url(MACHINE[4], PUBLISHED.u1 ?? 0);
    const chain = () => machine.sh("iptables -S DOCKER-USER");
    await machine.sh("iptables -N DOCKER-USER 2>/dev/null || true; iptables -P FORWARD DROP");
    await machine.sh(`iptables -I DOCKER-USER -s ${WORLD[4]} -j DROP`);
    const before = await chain();
    // Heard of at the latest when something changes.
    await docker("network", "create", "turn");
    await docker("network", "rm", "turn");
    await askFromWorld([["u1", port, ""]]);
    await askFrom("v1", [["u1", port, "u1"]]);
    await daemon.kill9();
    await daemon.restart();
    await askFromWorld([["u1", port, ""]]);
    expect(await chain()).toBe(before);
    await machine.sh(`iptables -D DOCKER-USER -s ${WORLD[4]} -j DROP`);
    await askFromWorld([["u1", port, "u1"]]);
  },
);

withBoth(
  "rules are put back when others remove them",
  async ({ backend, machine, daemon, docker, url, addressOf, askFromWorld }) => {
    const removals = [
      "nft flush ruleset",
      ...(backend === "iptables" ? ["iptables -t nat -D PREROUTING 1"] : []),
    ];
    for (const command of removals) {
      const back = daemon.untilLogged("are put back");
      await machine.sh(command);
      await back;
      // The line is written before the work.
      await docker("network", "create", "turn");
      await docker("network", "rm", "turn");
      await askFromWorld([
        ["u1", url(MACHINE[4], PUBLISHED.u1 ?? 0), "u1"],
        ["v1", url(addressOf("v1", 4), 80), ""],
      ]);
    }
  },
);

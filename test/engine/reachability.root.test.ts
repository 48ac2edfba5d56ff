import { expect } from "bun:test";
import {
  askWeb,
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
async function createSite(backend: FirewallBackend) {
  await using stack = new AsyncDisposableStack();
  const addresses = new Map<string, string>();
  const addressOf = (name: string, family: Family) => addresses.get(`${name}/${family}`) ?? "";

  const docker = async (...args: string[]) => (await succeed(daemon, ...args)).trim();

  /**
   * A script that asks all of these at once, and says who answers what. What is to be reached has time on a busy
   * machine; on what is not, nobody waits for long.
   */
  const askAll = (asked: readonly Asked[]) =>
    `${asked
      .map(([key, where, expected]) => `(echo "${key} $(${askWeb(where, expected === "" ? 1 : 30)})") &`)
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

  const { world, machine } = stack.use(await startSurroundings());
  await world.sh(`
      busybox mkdir -p ${world.folder}/www
      echo world > ${world.folder}/www/hostname
      busybox httpd -p [::]:80 -h ${world.folder}/www`);
  const daemon = stack.use(
    await startDaemon(
      ["--firewall-backend", backend, "--ipv6", "--fixed-cidr-v6", "fd00:aa:bb::/64"],
      machine,
    ),
  );
  // By Gantry's client: older ones of Docker have no --ipv4=false.
  for (const [name, options] of Object.entries(CREATE)) {
    const made = await daemon.gantry("network", "create", ...options, name);
    expect(made).toMatchObject({ exitCode: 0, stderr: "" });
  }
  await Promise.all(
    names.map(async (name) => {
      const port = PUBLISHED[name];
      const publish = port === undefined ? [] : ["-p", `${port}:80`];
      await startWeb(daemon, name, "--network", networkOf(name), ...publish);
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
    addressOf,
    expectAnswers,
    askFrom,
    askFromWorld,
    askFromMachine,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** One container of each network, and how they meet others of it. */
const sources = Object.values(NETWORKS).map(({ members: [first] }) => first);
const withBoth = testWithBothBackends(createSite);

withBoth(
  "every container reaches those it is to reach, in each family, and nobody else",
  async ({ addressOf, askFrom }) => {
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
                  webUrl(addressOf(to, family), 80),
                  meets(from, to) ? to : "",
                ],
              ),
          ),
        ),
      ),
    );
  },
);

withBoth("the world is reached from every network with a way out", async ({ askFrom }) => {
  await Promise.all(
    sources.map((from) =>
      askFrom(
        from,
        FAMILIES.map((family): Asked => {
          const isWayOut = networkOf(from) !== "closed" && familiesOf(from).includes(family);
          return [`world/${family}`, webUrl(WORLD[family], 80), isWayOut ? "world" : ""];
        }),
      ),
    ),
  );
});

withBoth(
  "the world reaches published ports, is seen as who it is, and reaches no container's own address",
  async ({ addressOf, askFromWorld }) => {
    const ports = translated.flatMap(([name, port]) =>
      FAMILIES.map((family): Asked => [`${name}/${family}`, webUrl(MACHINE[family], port), name]),
    );
    const direct = names.flatMap((name) =>
      familiesOf(name).map(
        (family): Asked => [
          `own-${name}/${family}`,
          webUrl(addressOf(name, family), 80),
          name === "r1" ? name : "",
        ],
      ),
    );
    const seen = FAMILIES.map(
      (family): Asked => [
        `seen/${family}`,
        webUrl(MACHINE[family], PUBLISHED.u1 ?? 0, "cgi-bin/from"),
        WORLD[family],
      ],
    );
    await askFromWorld([...ports, ...direct, ...seen]);
  },
);

withBoth(
  "published ports are reached from the machine, from every container with a way out, and from within",
  async ({ askFrom, askFromMachine }) => {
    const here = ["127.0.0.1", "::1", MACHINE[4], MACHINE[6]];
    await askFromMachine(
      translated.flatMap(([name, port]) =>
        here.map((address): Asked => [`${name}/${address}`, webUrl(address, port), name]),
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
                webUrl(MACHINE[family], port),
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
  async ({ world, machine, daemon, docker, expectAnswers, askFromWorld, askFromMachine }) => {
    await startWeb(daemon, "inner", "-p", "127.0.0.1:8010:80");
    await machine.sh(`
      busybox mkdir -p ${machine.folder}/www
      echo loopback > ${machine.folder}/www/hostname
      busybox httpd -p 127.0.0.1:8011 -h ${machine.folder}/www`);
    const inner = webUrl("127.0.0.1", 8010);
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
      [["loopback", webUrl("127.0.0.1", 8011), ""]],
    );
    await docker("rm", "-f", "inner");
  },
);

withBoth(
  "the administrator's own chain is asked first, and never changed",
  async ({ machine, daemon, docker, askFrom, askFromWorld }) => {
    const port = webUrl(MACHINE[4], PUBLISHED.u1 ?? 0);
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
  async ({ backend, machine, daemon, docker, addressOf, askFromWorld }) => {
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
        ["u1", webUrl(MACHINE[4], PUBLISHED.u1 ?? 0), "u1"],
        ["v1", webUrl(addressOf("v1", 4), 80), ""],
      ]);
    }
  },
);

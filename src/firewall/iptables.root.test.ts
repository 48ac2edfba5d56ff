import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const SHIM = join(import.meta.dirname, "../../native/build/gantry-shim");
const MODULE = join(import.meta.dirname, "iptables.ts");

/** What a firewall of the name "gt" is told, and what each program has then, in a network namespace of its own. */
const SCRIPT = `
import { execSync } from "node:child_process";
const { createIptablesFirewall } = await import(${JSON.stringify(MODULE)});
const warn = (text) => { throw new Error(text); };
const firewall = createIptablesFirewall({ name: "gt", shimPath: ${JSON.stringify(SHIM)}, log: { warn } });
const subnets = (four, six) => [
  { family: 4, subnet: four, mode: "nat", masquerade: true },
  { family: 6, subnet: six, mode: "routed", masquerade: false },
];
const port = { protocol: "tcp", hostPort: 8080, containerPort: 80 };
await firewall.replace({
  networks: [{ bridge: "br-a", subnets: subnets("10.1.0.0/16", "fd01::/64"), internal: false, interContainer: true }],
  published: [],
  open: [],
});
await firewall.addNetwork({ bridge: "br-b", subnets: subnets("10.2.0.0/16", "fd02::/64"), internal: true, interContainer: false });
await firewall.publish(
  [
    { ...port, family: 4, hostAddress: "", containerAddress: "10.1.0.2" },
    { ...port, family: 4, hostAddress: "127.0.0.1", hostPort: 9, protocol: "sctp", containerAddress: "10.1.0.2" },
    { ...port, family: 6, hostAddress: "", containerAddress: "fd01::2" },
  ],
  [{ family: 6, protocol: "tcp", containerAddress: "fd01::2", containerPort: 80 }],
);
const show = (program) => execSync(program + " | grep ^-A || true", { encoding: "utf8" });
const full = [show("iptables-save"), show("ip6tables-save")];
await firewall.withdraw([{ ...port, family: 4, hostAddress: "", containerAddress: "10.1.0.2" }]);
await firewall.removeNetwork("br-b");
const less = [show("iptables-save"), show("ip6tables-save")];
await firewall.remove();
console.log(JSON.stringify({ full, less, none: [show("iptables-save"), show("ip6tables-save")] }));
`;

test("chains of the engine's own are written, changed and removed; the administrator's stays", () => {
  const { stdout, stderr, status } = spawnSync("unshare", ["--net", process.execPath, "-e", SCRIPT], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  const { full, less, none } = JSON.parse(stdout);
  const [four, six] = full;
  for (const rule of [
    "-A FORWARD -j GT-FORWARD",
    "-A GT-FORWARD -j DOCKER-USER",
    "-A GT-FORWARD -i br-a -o br-a -j ACCEPT",
    "-A GT-FORWARD -i br-b -j DROP",
    "-A GT-FORWARD -o br-a -m conntrack --ctstate DNAT -j ACCEPT",
    "-A GT-FORWARD -o br-a -j DROP",
    "-A PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j GT-DNAT",
    "-A PREROUTING -j GT-RAW",
    "-A GT-RAW -d 127.0.0.0/8 -i br-a -j DROP",
    "-A OUTPUT -m addrtype --dst-type LOCAL -j GT-DNAT",
    "-A GT-DNAT -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
    "-A GT-DNAT -d 127.0.0.1/32 -p sctp -m sctp --dport 9 -j DNAT --to-destination 10.1.0.2:80",
    "-A GT-POSTROUTING -s 10.1.0.0/16 ! -o br-a -j MASQUERADE",
    "-A GT-POSTROUTING -s 10.1.0.0/16 -o br-a -m conntrack --ctstate DNAT -j MASQUERADE",
  ])
    expect(four).toContain(`${rule}\n`);
  expect(four).not.toContain("-A GT-FORWARD -i br-b -o br-b -j ACCEPT");
  expect(six).toContain("-A GT-FORWARD -d fd01::2/128 -p tcp -m tcp --dport 80 -j ACCEPT");
  expect(six).toContain("--to-destination [fd01::2]:80");
  expect(six).toContain("-A GT-FORWARD -o br-a -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT");
  expect(less[0]).not.toMatch(/br-b|--dport 8080/);
  expect(less[0]).toContain("--dport 9 ");
  expect(none).toEqual(["-A DOCKER-USER -j RETURN\n", "-A DOCKER-USER -j RETURN\n"]);
});

import type { IpFamily } from "../units/index.ts";
import type { FilteredNetwork, RuleSet } from "./firewall.ts";
import type { Jump } from "./iptables-program.ts";

/** A chain of the engine's own, with what leads to it. */
export interface OwnChain {
  readonly table: "filter" | "nat" | "raw";
  readonly chain: string;
  /** Each without its "-A CHAIN". */
  readonly rules: readonly string[];
  readonly jumps: readonly Jump[];
}

const LOCAL = ["-m", "addrtype", "--dst-type", "LOCAL"];
const LOOPBACK = "127.0.0.0/8";

/** All chains of one family, in the words of iptables(8). `others` are bridges that another engine filters. */
export function ownChains(
  prefix: string,
  userChain: string,
  rules: RuleSet,
  family: IpFamily,
  others: readonly string[],
): OwnChain[] {
  // What is published to loopback is not for neighbours who send packets to it.
  const fromOutside = family === 4 ? ["!", "-d", LOOPBACK, ...LOCAL] : LOCAL;
  return [
    {
      table: "raw",
      chain: `${prefix}-RAW`,
      rules: rawRules(rules, family),
      jumps: [{ from: "PREROUTING", match: [] }],
    },
    {
      table: "nat",
      chain: `${prefix}-DNAT`,
      rules: dnatRules(rules, family),
      jumps: [
        { from: "PREROUTING", match: fromOutside },
        { from: "OUTPUT", match: LOCAL },
      ],
    },
    {
      table: "nat",
      chain: `${prefix}-POSTROUTING`,
      rules: postroutingRules(rules, family),
      jumps: [{ from: "POSTROUTING", match: [] }],
    },
    {
      table: "filter",
      chain: `${prefix}-FORWARD`,
      rules: [`-j ${userChain}`, ...forwardRules(rules, family, others)],
      jumps: [{ from: "FORWARD", match: [] }],
    },
  ];
}

/** With route_localnet a container could reach what listens on the host's loopback. */
const rawRules = ({ networks }: RuleSet, family: IpFamily): string[] =>
  family === 4 ? networks.map(({ bridge }) => `-i ${bridge} -d ${LOOPBACK} -j DROP`) : [];

const subnetsOf = (network: FilteredNetwork, family: IpFamily) =>
  network.subnets.filter((subnet) => subnet.family === family);

function dnatRules({ published }: RuleSet, family: IpFamily): string[] {
  return published
    .filter((port) => port.family === family)
    .map(({ hostAddress, hostPort, protocol, containerAddress, containerPort }) => {
      const to = family === 6 ? `[${containerAddress}]` : containerAddress;
      const where = hostAddress === "" ? "" : `-d ${hostAddress} `;
      const notLoopback = family === 6 ? "! -d ::1 " : "";
      return `${where || notLoopback}-p ${protocol} --dport ${hostPort} -j DNAT --to-destination ${to}:${containerPort}`;
    });
}

function postroutingRules({ networks }: RuleSet, family: IpFamily): string[] {
  return networks.flatMap((network) => [
    ...(family === 4 ? [`-s ${LOOPBACK} -o ${network.bridge} -j MASQUERADE`] : []),
    ...subnetsOf(network, family).flatMap(({ subnet, masquerade }) => [
      `-s ${subnet} -o ${network.bridge} -m conntrack --ctstate DNAT -j MASQUERADE`,
      ...(masquerade && !network.internal ? [`-s ${subnet} ! -o ${network.bridge} -j MASQUERADE`] : []),
    ]),
  ]);
}

/**
 * Within a network, then internal ones, then what is known or published, then nothing into any network, and out what no
 * other engine has to judge.
 */
function forwardRules({ networks, open }: RuleSet, family: IpFamily, others: readonly string[]): string[] {
  const icmp = family === 4 ? "-p icmp --icmp-type echo-request" : "-p icmpv6 --icmpv6-type echo-request";
  const each = (rule: (bridge: string, network: FilteredNetwork) => string[]) =>
    networks.flatMap((network) => rule(network.bridge, network));
  const has = (network: FilteredNetwork, mode: string) =>
    subnetsOf(network, family).some((subnet) => subnet.mode === mode);
  return [
    ...each((bridge, { interContainer }) => (interContainer ? [`-i ${bridge} -o ${bridge} -j ACCEPT`] : [])),
    ...each((bridge, { internal }) => (internal ? [`-i ${bridge} -j DROP`, `-o ${bridge} -j DROP`] : [])),
    ...each((bridge) => [
      `-o ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      `-i ${bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
      `-o ${bridge} -m conntrack --ctstate DNAT -j ACCEPT`,
    ]),
    ...each((bridge, network) => [
      ...(has(network, "nat-unprotected") ? [`-o ${bridge} -j ACCEPT`] : []),
      ...(has(network, "routed") ? [`-o ${bridge} ${icmp} -j ACCEPT`] : []),
    ]),
    ...open
      .filter((port) => port.family === family)
      .map(
        (port) => `-d ${port.containerAddress} -p ${port.protocol} --dport ${port.containerPort} -j ACCEPT`,
      ),
    ...each((bridge) => [`-o ${bridge} -j DROP`]),
    ...others.map((bridge) => `-o ${bridge} -j RETURN`),
    ...each((bridge) => [`-i ${bridge} -j ACCEPT`]),
  ];
}

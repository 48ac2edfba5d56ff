import { messageOf, unavailable } from "../errors/index.ts";
import type { IpFamily } from "../units/index.ts";
import { CurrentRules } from "./current-rules.ts";
import type { FilteredNetwork, Firewall, RuleSet } from "./firewall.ts";
import {
  ensureJump,
  hasChain,
  type IptablesProgram,
  removeChain,
  restoreChains,
  saveTable,
} from "./iptables-program.ts";
import type { FirewallOptions } from "./nftables.ts";
import { createQueue } from "./queue.ts";

const USER_CHAIN = "DOCKER-USER";
const LOCAL = ["-m", "addrtype", "--dst-type", "LOCAL"];

/**
 * The same rules with iptables(8), for hosts that filter with it: chains PREFIX-FORWARD in the table filter, and
 * PREFIX-DNAT and PREFIX-POSTROUTING in nat. Packets pass the administrator's DOCKER-USER first, which is made when it
 * is missing and never changed. Every change writes the chains anew, each table in one step.
 */
export function createIptablesFirewall({ name, log }: FirewallOptions): Firewall {
  const rules = new CurrentRules();
  const inTurn = createQueue();
  const prefix = name.toUpperCase();
  const forward = `${prefix}-FORWARD`;
  const dnat = `${prefix}-DNAT`;
  const postrouting = `${prefix}-POSTROUTING`;

  async function putFamily(program: IptablesProgram, family: IpFamily): Promise<boolean> {
    const saved = await saveTable(program, "filter");
    if (saved === undefined) return false;
    if (!hasChain(saved, USER_CHAIN))
      await restoreChains(program, { filter: new Map([[USER_CHAIN, ["-j RETURN"]]]) });
    await restoreChains(program, {
      nat: new Map([
        [dnat, dnatRules(rules, family)],
        [postrouting, postroutingRules(rules, family)],
      ]),
      filter: new Map([[forward, [`-j ${USER_CHAIN}`, ...forwardRules(rules, family)]]]),
    });
    await ensureJump(program, "filter", "FORWARD", forward);
    await ensureJump(program, "nat", "PREROUTING", dnat, LOCAL);
    await ensureJump(program, "nat", "OUTPUT", dnat, LOCAL);
    await ensureJump(program, "nat", "POSTROUTING", postrouting);
    return true;
  }
  const put = async () => {
    if (!(await putFamily("iptables", 4)))
      throw unavailable("the program iptables is missing: install Debian's package iptables");
    await putFamily("ip6tables", 6).catch((error) => log.warn(`IPv6 is not filtered: ${messageOf(error)}`));
  };
  const changed = (change: () => void) =>
    inTurn(async () => {
      change();
      await put();
    });

  return {
    replace: (wanted) => changed(() => rules.set(wanted)),
    addNetwork: (network) => changed(() => rules.addNetwork(network)),
    removeNetwork: (bridge) => changed(() => rules.removeNetwork(bridge)),
    publish: async (ports, open = []) => {
      if (ports.length + open.length > 0) await changed(() => rules.add(ports, open));
    },
    withdraw: async (ports, open = []) => {
      if (ports.length + open.length > 0) await changed(() => rules.remove(ports, open));
    },
    remove: () =>
      inTurn(async () => {
        for (const program of ["iptables", "ip6tables"] as const) {
          await removeChain(program, "filter", ["FORWARD"], forward);
          await removeChain(program, "nat", ["PREROUTING", "OUTPUT"], dnat, LOCAL);
          await removeChain(program, "nat", ["POSTROUTING"], postrouting);
        }
      }),
    async [Symbol.asyncDispose]() {},
  };
}

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
    ...(family === 4 ? [`-s 127.0.0.0/8 -o ${network.bridge} -j MASQUERADE`] : []),
    ...subnetsOf(network, family).flatMap(({ subnet, masquerade }) => [
      `-s ${subnet} -o ${network.bridge} -m conntrack --ctstate DNAT -j MASQUERADE`,
      ...(masquerade && !network.internal ? [`-s ${subnet} ! -o ${network.bridge} -j MASQUERADE`] : []),
    ]),
  ]);
}

/** Within a network, then internal ones, then what is known or published, then nothing into any network. */
function forwardRules({ networks, open }: RuleSet, family: IpFamily): string[] {
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
    ...each((bridge) => [`-i ${bridge} -j ACCEPT`]),
  ];
}

import type { ExplainedRule, FilteredNetwork, PublishedPort, RuleSet } from "./firewall.ts";

/** The rules of the table (nftables-text.ts) with its sets and maps filled in: what one network's packets meet. */
export function explainRules({ networks, published, open }: RuleSet): ExplainedRule[] {
  return [
    ...published.map((port) => ({ chain: "prerouting, output", rule: translation(port) })),
    ...networks.flatMap(forwarding),
    ...open.map(({ family, containerAddress, protocol, containerPort }) => ({
      chain: "forward",
      rule: `${wordOf(family)} daddr ${containerAddress} ${protocol} dport ${containerPort} accept`,
    })),
    ...networks.flatMap(masquerading),
  ];
}

const wordOf = (family: 4 | 6): string => (family === 4 ? "ip" : "ip6");

function translation(port: PublishedPort): string {
  const { family, hostAddress, hostPort, protocol, containerAddress, containerPort } = port;
  const where = hostAddress === "" ? "fib daddr type local" : `${wordOf(family)} daddr ${hostAddress}`;
  const to = family === 6 ? `[${containerAddress}]` : containerAddress;
  return `${where} ${protocol} dport ${hostPort} dnat ${wordOf(family)} to ${to}:${containerPort}`;
}

function forwarding({ bridge, internal, interContainer, subnets }: FilteredNetwork): ExplainedRule[] {
  const rules = [
    ...(interContainer ? [`iifname ${bridge} oifname ${bridge} accept`] : []),
    ...(internal
      ? [`iifname ${bridge} drop`, `oifname ${bridge} drop`]
      : [
          `oifname ${bridge} ct state established,related accept`,
          `iifname ${bridge} ct state established,related accept`,
          `oifname ${bridge} ct status dnat accept`,
          ...(subnets.some(({ mode }) => mode === "nat-unprotected") ? [`oifname ${bridge} accept`] : []),
          `oifname ${bridge} drop`,
          `iifname ${bridge} accept`,
        ]),
  ];
  return rules.map((rule) => ({ chain: "forward", rule }));
}

function masquerading({ bridge, internal, subnets }: FilteredNetwork): ExplainedRule[] {
  return subnets
    .filter(({ masquerade }) => masquerade && !internal)
    .map(({ family, subnet }) => ({
      chain: "postrouting",
      rule: `oifname != ${bridge} ${wordOf(family)} saddr ${subnet} masquerade`,
    }));
}

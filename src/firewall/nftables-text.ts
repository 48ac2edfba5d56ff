import type { ExplainedRule, FilteredNetwork, OpenPort, PublishedPort, RuleSet } from "./firewall.ts";

/**
 * The rules in the language of nft(8). All that differs from network to network and from port to port are elements of
 * sets and maps, so that a packet costs the same few look-ups however many there are, and no change touches a rule. What
 * tells most packets apart without a look-up stands first: with br_netfilter every packet within a bridge comes past, also
 * those of other engines' bridges.
 */
export function tableText(table: string, rules: RuleSet): string {
  return [
    `table inet ${table} {}`,
    `delete table inet ${table}`,
    chains(table),
    ...rules.networks.map((network) => networkText("add", table, network)),
    portsText("add", table, rules.published, rules.open),
  ].join("\n");
}

export const removalText = (table: string): string => `table inet ${table} {}\ndelete table inet ${table}\n`;

type Verb = "add" | "delete";

type Element = readonly [set: string, element: string];

export const networkText = (verb: Verb, table: string, network: FilteredNetwork): string =>
  lines(verb, table, networkElements(network));

function networkElements({ bridge, subnets, internal, interContainer }: FilteredNetwork): Element[] {
  const name = `"${bridge}"`;
  const has = (mode: string) => subnets.some((subnet) => subnet.mode === mode);
  return [
    ["bridges", name],
    ...(internal ? [["internal", name] as [string, string]] : []),
    ...(interContainer ? [["within", `${name} . ${name}`] as [string, string]] : []),
    ...(has("nat-unprotected") ? [["unprotected", name] as [string, string]] : []),
    ...(has("routed") ? [["routed", name] as [string, string]] : []),
    ...subnets.map(({ family, subnet }): [string, string] => [`subnets${family}`, subnet]),
    ...subnets
      .filter(({ masquerade }) => masquerade && !internal)
      .map(({ family, subnet }): [string, string] => [`masqueraded${family}`, subnet]),
  ];
}

export function portsText(
  verb: Verb,
  table: string,
  published: readonly PublishedPort[],
  open: readonly OpenPort[],
): string {
  return lines(verb, table, portElements(published, open, verb === "add"));
}

const portElements = (
  published: readonly PublishedPort[],
  open: readonly OpenPort[],
  withTarget: boolean,
): Element[] => [
  ...published.map((port): Element => [mapOf(port), elementOf(port, withTarget)]),
  ...open.map(
    ({ family, containerAddress, protocol, containerPort }): Element => [
      `open${family}`,
      `${containerAddress} . ${protocol} . ${containerPort}`,
    ],
  ),
];

/**
 * The rules of the table with the sets filled in that they look into; those whose sets would be empty are left out. So
 * they are what a packet to or from these networks meets.
 */
export function explainRules({ networks, published, open }: RuleSet): ExplainedRule[] {
  const sets = new Map<string, string[]>();
  for (const [set, element] of [...networks.flatMap(networkElements), ...portElements(published, open, true)])
    sets.set(set, [...(sets.get(set) ?? []), element]);
  const filled = (rule: string): string[] => {
    const names = [...rule.matchAll(/@(\w+)/g)].map(([, name = ""]) => name);
    if (!names.every((name) => sets.has(name))) return [];
    return [rule.replace(/@(\w+)/g, (_, name: string) => `{ ${sets.get(name)?.join(", ")} }`)];
  };
  return [...chains("").matchAll(/^ {2}chain (\w+) \{\n(.*?)^ {2}\}/gms)].flatMap(
    ([, chain = "", body = ""]) =>
      body
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "" && !/^(type|comment) /.test(line))
        .flatMap(filled)
        .map((rule) => ({ chain, rule })),
  );
}

const lines = (verb: Verb, table: string, elements: readonly Element[]): string =>
  elements.map(([set, element]) => `${verb} element inet ${table} ${set} { ${element} }\n`).join("");

const mapOf = ({ family, hostAddress }: PublishedPort) =>
  `${hostAddress === "" ? "published_any" : "published"}${family}`;

function elementOf(
  { hostAddress, hostPort, protocol, containerAddress, containerPort }: PublishedPort,
  withTarget: boolean,
): string {
  const key = `${hostAddress === "" ? "" : `${hostAddress} . `}${protocol} . ${hostPort}`;
  return withTarget ? `${key} : ${containerAddress} . ${containerPort}` : key;
}

function chains(table: string): string {
  const translate = `meta nfproto ipv4 fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @published4
    meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map @published_any4
    meta nfproto ipv6 ip6 daddr != ::1 fib daddr type local dnat ip6 to ip6 daddr . meta l4proto . th dport map @published6
    meta nfproto ipv6 ip6 daddr != ::1 fib daddr type local dnat ip6 to meta l4proto . th dport map @published_any6`;
  return `table inet ${table} {
  map published4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map published_any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map published6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
  map published_any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  set bridges { type ifname; }
  set internal { type ifname; }
  set within { type ifname . ifname; }
  set unprotected { type ifname; }
  set routed { type ifname; }
  set subnets4 { type ipv4_addr; flags interval; }
  set subnets6 { type ipv6_addr; flags interval; }
  set masqueraded4 { type ipv4_addr; flags interval; }
  set masqueraded6 { type ipv6_addr; flags interval; }
  set open4 { type ipv4_addr . inet_proto . inet_service; }
  set open6 { type ipv6_addr . inet_proto . inet_service; }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    comment "with route_localnet a container could reach what listens on the host's loopback"
    ip daddr 127.0.0.0/8 iifname @bridges drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    comment "what is published to loopback is not for neighbours who send packets to it"
    ip daddr 127.0.0.0/8 return
    ${translate}
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ${translate}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    oifname @bridges ct status dnat ip saddr @subnets4 masquerade
    oifname @bridges ct status dnat ip6 saddr @subnets6 masquerade
    oifname != @bridges ip saddr @masqueraded4 masquerade
    oifname != @bridges ip6 saddr @masqueraded6 masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname . oifname @within accept
    iifname @internal drop
    oifname @internal drop
    ct state established,related accept
    oifname @bridges ct status dnat accept
    oifname @unprotected accept
    oifname @routed icmp type echo-request accept
    oifname @routed icmpv6 type echo-request accept
    ip daddr . meta l4proto . th dport @open4 accept
    ip6 daddr . meta l4proto . th dport @open6 accept
    oifname @bridges drop
    iifname @bridges accept
  }
}`;
}

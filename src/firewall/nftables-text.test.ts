import { expect, test } from "bun:test";
import { explainRules } from "./nftables-text.ts";

const network = (bridge: string, internal: boolean) => ({
  bridge,
  internal,
  interContainer: true,
  subnets: [{ family: 4, subnet: "172.18.0.0/16", mode: "nat", masquerade: true } as const],
});
const told = (rules: Parameters<typeof explainRules>[0]) =>
  explainRules(rules).map(({ chain, rule }) => `${chain}: ${rule}`);

test("rules are told with the sets that they look into, and without those that look into nothing", () => {
  const published = [
    {
      family: 4,
      hostAddress: "",
      hostPort: 8080,
      protocol: "tcp",
      containerAddress: "172.18.0.2",
      containerPort: 80,
    } as const,
  ];
  expect(told({ networks: [network("br0", false)], published, open: [] })).toEqual([
    'raw: ip daddr 127.0.0.0/8 iifname { "br0" } drop',
    "prerouting: ip daddr 127.0.0.0/8 return",
    "prerouting: meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map { tcp . 8080 : 172.18.0.2 . 80 }",
    "output: meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map { tcp . 8080 : 172.18.0.2 . 80 }",
    'postrouting: ip saddr 127.0.0.0/8 oifname { "br0" } masquerade',
    'postrouting: oifname { "br0" } ct status dnat ip saddr { 172.18.0.0/16 } masquerade',
    'postrouting: oifname != { "br0" } ip saddr { 172.18.0.0/16 } masquerade',
    'forward: iifname . oifname { "br0" . "br0" } accept',
    "forward: ct state established,related accept",
    'forward: oifname { "br0" } ct status dnat accept',
    'forward: oifname { "br0" } drop',
    'forward: iifname { "br0" } accept',
  ]);
});

test("an internal network is told to lead nowhere", () => {
  const rules = told({ networks: [network("br1", true)], published: [], open: [] });
  expect(rules).toContain('forward: iifname { "br1" } drop');
  expect(rules.filter((rule) => rule.includes("!="))).toEqual([]);
});

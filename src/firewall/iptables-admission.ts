import type { FilteredNetwork } from "./firewall.ts";
import {
  ensureJump,
  hasChain,
  type IptablesProgram,
  removeChain,
  restoreChains,
  rulesOf,
  saveTable,
} from "./iptables-program.ts";

/**
 * Where another program filters forwarded packets with iptables (Docker sets the policy of FORWARD to DROP), an accept
 * in our own table is not the last word. So a chain of ours lets the bridges' packets through there; what is to be
 * dropped, our own table drops. The administrator's chain DOCKER-USER has its say first, where there is one. Where
 * nobody filters with iptables, nothing of it is touched.
 */
const chainOf = (name: string) => `${name.toUpperCase()}-FORWARD`;
const USER_CHAIN = "DOCKER-USER";
const PROGRAMS = ["iptables", "ip6tables"] as const;

export async function admitThroughIptables(
  name: string,
  networks: readonly Pick<FilteredNetwork, "bridge">[],
): Promise<void> {
  await Promise.all(PROGRAMS.map((program) => admit(program, chainOf(name), networks)));
}

async function admit(
  program: IptablesProgram,
  chain: string,
  networks: readonly Pick<FilteredNetwork, "bridge">[],
): Promise<void> {
  const saved = (await saveTable(program, "filter")) ?? "";
  if (!/^(:FORWARD DROP|-A FORWARD)\b/m.test(saved)) return;
  const rules = [
    ...(hasChain(saved, USER_CHAIN) ? [`-j ${USER_CHAIN}`] : []),
    ...networks.flatMap(({ bridge }) => [`-i ${bridge} -j ACCEPT`, `-o ${bridge} -j ACCEPT`]),
  ];
  // Only what differs is written: a change is heard of, and looked at again.
  if (!hasChain(saved, chain) || rulesOf(saved, chain).join("\n") !== rules.join("\n"))
    await restoreChains(program, { filter: new Map([[chain, rules]]) });
  if (!rulesOf(saved, "FORWARD").includes(`-j ${chain}`))
    await ensureJump(program, "filter", "FORWARD", chain);
}

export async function withdrawFromIptables(name: string): Promise<void> {
  await Promise.all(PROGRAMS.map((program) => removeChain(program, "filter", ["FORWARD"], chainOf(name))));
}

import type { FilteredNetwork } from "./firewall.ts";
import { foreignBridges } from "./foreign-bridges.ts";
import {
  changeTables,
  hasChain,
  type IptablesProgram,
  readTables,
  removalOf,
  rulesOf,
} from "./iptables-program.ts";

/**
 * Where another program filters forwarded packets with iptables (Docker sets the policy of FORWARD to DROP), an accept
 * in our own table is not the last word. So a chain of ours lets the bridges' packets through there; what is to be
 * dropped, our own table drops. The administrator's chain DOCKER-USER has its say first, where there is one, and another
 * engine on packets to its own bridges. Where nobody filters with iptables, nothing of it is touched.
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
  const filter = (await readTables(program))?.get("filter") ?? "";
  if (!/^(:FORWARD DROP|-A FORWARD)\b/m.test(filter)) return;
  const others = foreignBridges(
    filter,
    chain,
    networks.map(({ bridge }) => bridge),
  );
  const rules = [
    ...(hasChain(filter, USER_CHAIN) ? [`-j ${USER_CHAIN}`] : []),
    ...others.map((bridge) => `-o ${bridge} -j RETURN`),
    ...networks.flatMap(({ bridge }) => [`-i ${bridge} -j ACCEPT`, `-o ${bridge} -j ACCEPT`]),
  ];
  // Only what differs is written: a change is heard of, and looked at again.
  const isThere = hasChain(filter, chain) && rulesOf(filter, chain).join("\n") === rules.join("\n");
  const isAsked = rulesOf(filter, "FORWARD").includes(`-j ${chain}`);
  if (isThere && isAsked) return;
  const change = {
    chains: new Map([[chain, rules]]),
    commands: isAsked ? [] : [`-I FORWARD -j ${chain}`],
  };
  await changeTables(program, new Map([["filter", change]]));
}

export async function withdrawFromIptables(name: string): Promise<void> {
  await Promise.all(
    PROGRAMS.map(async (program) => {
      const filter = (await readTables(program))?.get("filter") ?? "";
      const commands = removalOf(filter, chainOf(name), [{ from: "FORWARD", match: [] }]);
      if (commands.length > 0)
        await changeTables(program, new Map([["filter", { chains: new Map(), commands }]]));
    }),
  );
}

import { messageOf, unavailable } from "../errors/index.ts";
import type { IpFamily } from "../units/index.ts";
import { CurrentRules } from "./current-rules.ts";
import type { Firewall } from "./firewall.ts";
import { foreignBridges } from "./foreign-bridges.ts";
import {
  changeTables,
  hasChain,
  type IptablesProgram,
  jumpRule,
  readTables,
  removalOf,
  rulesOf,
  type TableChange,
} from "./iptables-program.ts";
import { type OwnChain, ownChains } from "./iptables-rules.ts";
import type { FirewallOptions } from "./nftables.ts";
import { watchTables } from "./nftables-watch.ts";
import { createQueue } from "./queue.ts";

const USER_CHAIN = "DOCKER-USER";
const TABLES = ["raw", "nat", "filter"] as const;
const PROGRAMS: readonly (readonly [IptablesProgram, IpFamily])[] = [
  ["iptables", 4],
  ["ip6tables", 6],
];
type Tables = ReadonlyMap<string, string>;

/**
 * The same rules with iptables(8), for hosts that filter with it: chains of the engine's own in the tables filter, nat
 * and raw, and jumps to them. Packets pass the administrator's DOCKER-USER first, which is made when it is missing and
 * never changed. Every change writes the chains anew, each table in one step.
 */
export function createIptablesFirewall({ name, shimPath, log }: FirewallOptions): Firewall {
  const rules = new CurrentRules();
  const inTurn = createQueue();
  const prefix = name.toUpperCase();
  const chainsOf = (tables: Tables, family: IpFamily) => {
    const bridges = rules.networks.map(({ bridge }) => bridge);
    const others = foreignBridges(tables.get("filter") ?? "", `${prefix}-FORWARD`, bridges);
    return ownChains(prefix, USER_CHAIN, rules, family, others);
  };
  let watch: Disposable | undefined;

  async function putFamily(program: IptablesProgram, family: IpFamily): Promise<boolean> {
    const tables = await readTables(program);
    if (tables === undefined) return false;
    await changeTables(program, changesFor(tables, chainsOf(tables, family)));
    return true;
  }
  const put = async () => {
    const six = putFamily("ip6tables", 6).catch((error) =>
      log.warn(`IPv6 is not filtered: ${messageOf(error)}`),
    );
    if (!(await putFamily("iptables", 4).finally(() => six)))
      throw unavailable("the program iptables is missing: install Debian's package iptables");
  };
  const changed = (change: () => void) =>
    inTurn(async () => {
      change();
      await put();
    });

  /**
   * Somebody changed a table of iptables: another engine has one bridge more or less, or our rules are gone. Our own
   * changes are heard of too, and leave nothing to do.
   */
  const check = () => {
    inTurn(async () => {
      if (watch === undefined) return;
      const states = await Promise.all(
        PROGRAMS.map(async ([program, family]) => {
          const tables = await readTables(program);
          return tables === undefined ? "whole" : stateOf(tables, chainsOf(tables, family));
        }),
      );
      if (states.includes("removed"))
        log.warn(`packet rules of the chains ${prefix}-* were removed by another program and are put back`);
      if (states.some((state) => state !== "whole")) await put();
    }).catch((error) => log.error(`the packet rules could not be put back: ${messageOf(error)}`));
  };

  return {
    replace: (wanted) =>
      inTurn(async () => {
        rules.set(wanted);
        await put();
        watch ??= watchTables(
          shimPath,
          (changes) => {
            if (TABLES.some((table) => changes.has(table))) check();
          },
          check,
        );
      }),
    addNetwork: (network) => changed(() => rules.addNetwork(network)),
    removeNetwork: (bridge) => changed(() => rules.removeNetwork(bridge)),
    publish: async (ports, open = []) => {
      if (ports.length + open.length > 0) await changed(() => rules.add(ports, open));
    },
    withdraw: async (ports, open = []) => {
      if (ports.length + open.length > 0) await changed(() => rules.remove(ports, open));
    },
    explain: (about) =>
      PROGRAMS.filter(([, family]) =>
        about.networks.some(({ subnets }) => subnets.some((subnet) => subnet.family === family)),
      ).flatMap(([, family]) =>
        ownChains(prefix, USER_CHAIN, about, family, []).flatMap(({ table, chain, rules: own }) =>
          own.map((rule) => ({ chain: table, rule: `-A ${chain} ${rule}` })),
        ),
      ),
    remove: () =>
      inTurn(async () => {
        watch?.[Symbol.dispose]();
        watch = undefined;
        for (const [program, family] of PROGRAMS) {
          const tables = (await readTables(program)) ?? new Map();
          await changeTables(program, removalsOf(tables, chainsOf(tables, family)));
        }
      }),
    async [Symbol.asyncDispose]() {
      watch?.[Symbol.dispose]();
      watch = undefined;
    },
  };
}

/** Our chains anew, with the jumps to them and the administrator's chain where these are missing. */
function changesFor(tables: Tables, chains: readonly OwnChain[]): Map<string, TableChange> {
  return new Map(
    TABLES.map((table) => {
      const text = tables.get(table) ?? "";
      const own = chains.filter((chain) => chain.table === table);
      const users: [string, string[]][] =
        table === "filter" && !hasChain(text, USER_CHAIN) ? [[USER_CHAIN, ["-j RETURN"]]] : [];
      return [
        table,
        {
          chains: new Map([
            ...users,
            ...own.map(({ chain, rules }): [string, readonly string[]] => [chain, rules]),
          ]),
          commands: own.flatMap(({ chain, jumps }) =>
            jumps
              .map((jump) => [jump.from, jumpRule(jump, chain)] as const)
              .filter(([from, rule]) => !rulesOf(text, from).includes(rule))
              .map(([from, rule]) => `-I ${from} ${rule}`),
          ),
        },
      ];
    }),
  );
}

function removalsOf(tables: Tables, chains: readonly OwnChain[]): Map<string, TableChange> {
  return new Map(
    TABLES.flatMap((table): [string, TableChange][] => {
      const commands = chains
        .filter((own) => own.table === table)
        .flatMap(({ chain, jumps }) => removalOf(tables.get(table) ?? "", chain, jumps));
      return commands.length === 0 ? [] : [[table, { chains: new Map(), commands }]];
    }),
  );
}

/**
 * Whether every chain has as many rules as it is to have, and every jump to it is there. The rules' words are not
 * compared, but for those on other engines' bridges: iptables-save(8) writes them differently.
 */
function stateOf(tables: Tables, chains: readonly OwnChain[]): "whole" | "outdated" | "removed" {
  let state: "whole" | "outdated" = "whole";
  for (const { table, chain, rules, jumps } of chains) {
    const text = tables.get(table) ?? "";
    const there = rulesOf(text, chain);
    const isAsked = jumps.every((jump) => rulesOf(text, jump.from).includes(jumpRule(jump, chain)));
    const own = (rule: string) => !isOnOthers(rule);
    if (!hasChain(text, chain) || !isAsked || there.filter(own).length !== rules.filter(own).length)
      return "removed";
    if (there.filter(isOnOthers).join("\n") !== rules.filter(isOnOthers).join("\n")) state = "outdated";
  }
  return state;
}

const isOnOthers = (rule: string): boolean => / -j RETURN$/.test(rule);

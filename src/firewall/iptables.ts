import { messageOf, unavailable } from "../errors/index.ts";
import type { IpFamily } from "../units/index.ts";
import { CurrentRules } from "./current-rules.ts";
import type { Firewall } from "./firewall.ts";
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
  const chainsOf = (family: IpFamily) => ownChains(prefix, USER_CHAIN, rules, family);
  let watch: Disposable | undefined;

  async function putFamily(program: IptablesProgram, family: IpFamily): Promise<boolean> {
    const tables = await readTables(program);
    if (tables === undefined) return false;
    await changeTables(program, changesFor(tables, chainsOf(family)));
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

  /** Somebody changed a table of iptables; our own changes are heard of too, and leave nothing to put back. */
  const check = () => {
    inTurn(async () => {
      if (watch === undefined) return;
      const whole = await Promise.all(
        PROGRAMS.map(async ([program, family]) => isWhole(await readTables(program), chainsOf(family))),
      );
      if (whole.every(Boolean)) return;
      log.warn(`packet rules of the chains ${prefix}-* were removed by another program and are put back`);
      await put();
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
        ownChains(prefix, USER_CHAIN, about, family).flatMap(({ table, chain, rules: own }) =>
          own.map((rule) => ({ chain: table, rule: `-A ${chain} ${rule}` })),
        ),
      ),
    remove: () =>
      inTurn(async () => {
        watch?.[Symbol.dispose]();
        watch = undefined;
        for (const [program, family] of PROGRAMS)
          await changeTables(program, removalsOf((await readTables(program)) ?? new Map(), chainsOf(family)));
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
 * compared: iptables-save(8) writes them differently. A family that the kernel does not have lacks nothing.
 */
function isWhole(tables: Tables | undefined, chains: readonly OwnChain[]): boolean {
  if (tables === undefined) return true;
  return chains.every(({ table, chain, rules, jumps }) => {
    const text = tables.get(table) ?? "";
    return (
      hasChain(text, chain) &&
      rulesOf(text, chain).length === rules.length &&
      jumps.every((jump) => rulesOf(text, jump.from).includes(jumpRule(jump, chain)))
    );
  });
}

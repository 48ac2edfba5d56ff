import { internal } from "../errors/index.ts";
import { runFilterProgram } from "./run.ts";

export type IptablesProgram = "iptables" | "ip6tables";

/** What is done to one table. */
export interface TableChange {
  /** Chains that get exactly these rules, each without its "-A CHAIN". They are made when they are missing. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Further commands, as of iptables(8): "-I FORWARD -j OTHER". */
  readonly commands: readonly string[];
}

/** A jump from a chain to one of the engine's own. */
export interface Jump {
  readonly from: string;
  readonly match: readonly string[];
}

export const jumpRule = ({ match }: Jump, to: string): string => [...match, "-j", to].join(" ");

/**
 * The tables as iptables-save(8) prints them, by name: unlike iptables, that makes no table by looking at it. Undefined
 * where there is no such program, or no such family in the kernel.
 */
export async function readTables(program: IptablesProgram): Promise<ReadonlyMap<string, string> | undefined> {
  const saved = await runFilterProgram(`${program}-save`, []);
  if (saved === undefined || saved.exitCode !== 0) return undefined;
  return new Map(
    [...saved.stdout.matchAll(/^\*(\w+)\n(.*?)^COMMIT$/gms)].map(([, name = "", text = ""]) => [name, text]),
  );
}

export const hasChain = (table: string, chain: string): boolean =>
  table.split("\n").some((line) => line.startsWith(`:${chain} `));

/** The rules of a chain, without their "-A CHAIN". */
export const rulesOf = (table: string, chain: string): string[] =>
  table
    .split("\n")
    .filter((line) => line.startsWith(`-A ${chain} `))
    .map((line) => line.slice(`-A ${chain} `.length).trim());

/** Change tables, each in one step; what is not named stays as it is. Throws internal. */
export async function changeTables(
  program: IptablesProgram,
  changes: ReadonlyMap<string, TableChange>,
): Promise<void> {
  const text = [...changes].map(([table, { chains, commands }]) =>
    [
      `*${table}`,
      ...[...chains.keys()].map((chain) => `:${chain} - [0:0]`),
      ...[...chains].flatMap(([chain, list]) => list.map((rule) => `-A ${chain} ${rule}`)),
      ...commands,
      "COMMIT",
      "",
    ].join("\n"),
  );
  if (text.length === 0) return;
  const result = await runFilterProgram(`${program}-restore`, ["-w", "--noflush"], text.join(""));
  if (result?.exitCode !== 0)
    throw internal(`${program} refused the engine's rules: ${result?.stderr ?? "no such program"}`);
}

/** Commands that remove a chain and the jumps to it; none where it is not there. */
export function removalOf(table: string, chain: string, jumps: readonly Jump[]): string[] {
  if (!hasChain(table, chain)) return [];
  return [
    ...jumps.flatMap((jump) => {
      const rule = jumpRule(jump, chain);
      return rulesOf(table, jump.from).flatMap((known) =>
        known === rule ? [`-D ${jump.from} ${rule}`] : [],
      );
    }),
    `-F ${chain}`,
    `-X ${chain}`,
  ];
}

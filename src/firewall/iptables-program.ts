import { internal } from "../errors/index.ts";
import { runFilterProgram } from "./run.ts";

export type IptablesProgram = "iptables" | "ip6tables";
/** Rules of chains by table, each without its "-A CHAIN". */
export type Chains = Readonly<Record<string, ReadonlyMap<string, readonly string[]>>>;

const LOCK = "-w";

/**
 * A table as iptables-save(8) prints it, "" when there is none: unlike iptables, that makes no table by looking at it.
 * Undefined where there is no such program, or no such family in the kernel.
 */
export async function saveTable(program: IptablesProgram, table: string): Promise<string | undefined> {
  const saved = await runFilterProgram(`${program}-save`, ["-t", table]);
  return saved === undefined || saved.exitCode !== 0 ? undefined : saved.stdout;
}

export const hasChain = (saved: string, chain: string): boolean =>
  saved.split("\n").some((line) => line.startsWith(`:${chain} `));

/** The rules of a chain, without their "-A CHAIN". */
export const rulesOf = (saved: string, chain: string): string[] =>
  saved
    .split("\n")
    .filter((line) => line.startsWith(`-A ${chain} `))
    .map((line) => line.slice(`-A ${chain} `.length).trim());

/** Make chains with exactly these rules, each table in one step; other chains stay as they are. */
export async function restoreChains(program: IptablesProgram, chains: Chains): Promise<void> {
  const text = Object.entries(chains)
    .map(([table, rules]) =>
      [
        `*${table}`,
        ...[...rules.keys()].map((chain) => `:${chain} - [0:0]`),
        ...[...rules].flatMap(([chain, list]) => list.map((rule) => `-A ${chain} ${rule}`)),
        "COMMIT",
        "",
      ].join("\n"),
    )
    .join("");
  const result = await runFilterProgram(`${program}-restore`, [LOCK, "--noflush"], text);
  if (result?.exitCode !== 0)
    throw internal(`${program} refused the engine's rules: ${result?.stderr ?? "no such program"}`);
}

/** Make a built-in chain go to ours before all others. */
export async function ensureJump(
  program: IptablesProgram,
  table: string,
  from: string,
  to: string,
  match: readonly string[] = [],
): Promise<void> {
  const rule = [...match, "-j", to];
  const known = await runFilterProgram(program, [LOCK, "-t", table, "-C", from, ...rule]);
  if (known?.exitCode === 1) await runFilterProgram(program, [LOCK, "-t", table, "-I", from, ...rule]);
}

/** Remove a chain and the jumps to it; no error when it is not there. */
export async function removeChain(
  program: IptablesProgram,
  table: string,
  from: readonly string[],
  chain: string,
  match: readonly string[] = [],
): Promise<void> {
  if (!hasChain((await saveTable(program, table)) ?? "", chain)) return;
  for (const parent of from)
    await runFilterProgram(program, [LOCK, "-t", table, "-D", parent, ...match, "-j", chain]);
  await runFilterProgram(program, [LOCK, "-t", table, "-F", chain]);
  await runFilterProgram(program, [LOCK, "-t", table, "-X", chain]);
}

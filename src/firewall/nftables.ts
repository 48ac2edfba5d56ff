import { internal, messageOf, unavailable } from "../errors/index.ts";
import type { Log } from "../log/index.ts";
import { CurrentRules } from "./current-rules.ts";
import type { Firewall } from "./firewall.ts";
import { admitThroughIptables, withdrawFromIptables } from "./iptables-admission.ts";
import { explainRules, networkText, portsText, removalText, tableText } from "./nftables-text.ts";
import { type TableChange, watchTables } from "./nftables-watch.ts";
import { createQueue } from "./queue.ts";
import { runFilterProgram } from "./run.ts";

/** The table in which iptables filters, whichever of its two variants writes to the kernel's tables. */
const IPTABLES_FILTER = "filter";

export interface FirewallOptions {
  /** Name of the table or prefix of the chains, the engine's own. */
  readonly name: string;
  readonly shimPath: string;
  readonly log: Log;
}

/**
 * One nftables table. Rules are given to nft(8) as one transaction. A change that does not fit what is there, since
 * somebody else has been at it, becomes a replacement of the whole.
 */
export function createNftablesFirewall({ name, shimPath, log }: FirewallOptions): Firewall {
  const rules = new CurrentRules();
  const inTurn = createQueue();
  let watch: Disposable | undefined;

  const put = async () => {
    await nft(tableText(name, rules));
    await admitThroughIptables(name, rules.networks);
  };
  const restore = () => {
    inTurn(async () => {
      if (watch === undefined) return;
      log.warn(`the packet rules of table ${name} were removed by another program and are put back`);
      await put();
    }).catch((error) => log.error(`the packet rules could not be put back: ${messageOf(error)}`));
  };
  /** Another engine may have begun to drop what is forwarded. */
  const readmit = () => {
    inTurn(async () => {
      if (watch !== undefined) await admitThroughIptables(name, rules.networks);
    }).catch((error) => log.error(`packets could not be let through iptables: ${messageOf(error)}`));
  };
  /** Our own transactions replace the table as a whole: what they end with is no removal. */
  const heard = (changes: ReadonlyMap<string, TableChange>) => {
    if (changes.get(name) === "removed") restore();
    else if (changes.has(IPTABLES_FILTER)) readmit();
  };
  const change = async (text: string) => {
    if (text === "") return;
    try {
      await nft(text);
    } catch {
      await put();
    }
  };

  return {
    replace: (wanted) =>
      inTurn(async () => {
        rules.set(wanted);
        await put();
        watch ??= watchTables(shimPath, heard, restore);
      }),
    addNetwork: (network) =>
      inTurn(async () => {
        rules.addNetwork(network);
        await change(networkText("add", name, network));
        await admitThroughIptables(name, rules.networks);
      }),
    removeNetwork: (bridge) =>
      inTurn(async () => {
        const network = rules.removeNetwork(bridge);
        if (network === undefined) return;
        await change(networkText("delete", name, network));
        await admitThroughIptables(name, rules.networks);
      }),
    publish: (ports, open = []) =>
      inTurn(async () => {
        rules.add(ports, open);
        await change(portsText("add", name, ports, open));
      }),
    withdraw: (ports, open = []) =>
      inTurn(async () => {
        rules.remove(ports, open);
        await change(portsText("delete", name, ports, open));
      }),
    explain: explainRules,
    remove: () =>
      inTurn(async () => {
        watch?.[Symbol.dispose]();
        watch = undefined;
        await nft(removalText(name));
        await withdrawFromIptables(name);
      }),
    async [Symbol.asyncDispose]() {
      watch?.[Symbol.dispose]();
      watch = undefined;
    },
  };
}

async function nft(commands: string): Promise<void> {
  const result = await runFilterProgram("nft", ["-f", "-"], commands);
  if (result === undefined)
    throw unavailable("the program nft is missing: install Debian's package nftables");
  if (result.exitCode !== 0) throw internal(`nftables refused the engine's rules: ${result.stderr}`);
}

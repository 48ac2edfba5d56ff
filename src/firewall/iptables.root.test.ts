import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const MODULE = join(import.meta.dirname, "iptables.ts");

/** Run commands of a shell in a network namespace of their own; $GANTRY calls a function of the module. */
function inNamespace(script: string): string {
  const call = `import * as firewall from ${JSON.stringify(MODULE)}; await firewall[process.argv[1]]("br-test", "gantry-test")`;
  const { stdout, stderr, status } = spawnSync("unshare", ["--net", "sh", "-ec", script], {
    encoding: "utf8",
    env: { ...process.env, GANTRY: process.execPath, CALL: call },
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

const ADMIT = '"$GANTRY" -e "$CALL" admitThroughIptables';
const WITHDRAW = '"$GANTRY" -e "$CALL" withdrawFromIptables';

test("where nobody filters with iptables, no table of it is made", () => {
  expect(inNamespace(`${ADMIT}; nft list ruleset; ${WITHDRAW}; nft list ruleset`)).toBe("");
});

test("where another engine drops what is forwarded, the bridge's packets are let through until withdrawal", () => {
  const rules = inNamespace(
    `iptables -P FORWARD DROP; ${ADMIT}; ${ADMIT}; iptables -S FORWARD; ${WITHDRAW}; echo; iptables -S FORWARD`,
  );
  expect(rules.split("\n")).toEqual([
    "-P FORWARD DROP",
    "-A FORWARD -o br-test -m comment --comment gantry-test -j ACCEPT",
    "-A FORWARD -i br-test -m comment --comment gantry-test -j ACCEPT",
    "",
    "-P FORWARD DROP",
    "",
  ]);
});

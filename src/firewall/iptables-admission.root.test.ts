import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const MODULE = join(import.meta.dirname, "iptables-admission.ts");

/** Run commands of a shell in a network namespace of their own; $GANTRY calls a function of the module. */
function inNamespace(script: string): string {
  const call = `import * as firewall from ${JSON.stringify(MODULE)}; await firewall[process.argv[1]]("gantry-test", [{ bridge: "br-test" }])`;
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
    `iptables -P FORWARD DROP; ${ADMIT}; ${ADMIT}; iptables -S; ${WITHDRAW}; echo; iptables -S FORWARD`,
  );
  expect(rules.split("\n").filter((line) => !/ (INPUT|OUTPUT) /.test(line))).toEqual([
    "-P FORWARD DROP",
    "-N GANTRY-TEST-FORWARD",
    "-A FORWARD -j GANTRY-TEST-FORWARD",
    "-A GANTRY-TEST-FORWARD -i br-test -j ACCEPT",
    "-A GANTRY-TEST-FORWARD -o br-test -j ACCEPT",
    "",
    "-P FORWARD DROP",
    "",
  ]);
});

test("the administrator's own chain is asked before, and not changed", () => {
  const rules = inNamespace(
    `iptables -N DOCKER-USER; iptables -A DOCKER-USER -s 10.0.0.1 -j DROP; iptables -P FORWARD DROP; ${ADMIT}; iptables -S GANTRY-TEST-FORWARD; ${WITHDRAW}; iptables -S DOCKER-USER`,
  );
  expect(rules.split("\n")).toEqual([
    "-N GANTRY-TEST-FORWARD",
    "-A GANTRY-TEST-FORWARD -j DOCKER-USER",
    "-A GANTRY-TEST-FORWARD -i br-test -j ACCEPT",
    "-A GANTRY-TEST-FORWARD -o br-test -j ACCEPT",
    "-N DOCKER-USER",
    "-A DOCKER-USER -s 10.0.0.1/32 -j DROP",
    "",
  ]);
});

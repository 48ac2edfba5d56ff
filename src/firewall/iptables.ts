import { spawn } from "node:child_process";
import { errnoOf } from "../errors/index.ts";

/**
 * Where another program filters forwarded packets with iptables (Docker sets the policy of FORWARD to DROP), an accept
 * in our own table is not the last word. So two rules, marked with the engine's name, let the bridge's packets through
 * there; what is to be dropped, our own table drops.
 */
const rulesOf = (bridge: string, name: string): string[][] =>
  (["-i", "-o"] as const).map((direction) => [
    direction,
    bridge,
    "-m",
    "comment",
    "--comment",
    name,
    "-j",
    "ACCEPT",
  ]);

export async function admitThroughIptables(bridge: string, name: string): Promise<void> {
  for (const rule of rulesOf(bridge, name)) {
    if ((await iptables("-C", "FORWARD", ...rule)) === 1) await iptables("-I", "FORWARD", ...rule);
  }
}

export async function withdrawFromIptables(bridge: string, name: string): Promise<void> {
  for (const rule of rulesOf(bridge, name)) {
    if ((await iptables("-C", "FORWARD", ...rule)) === 0) await iptables("-D", "FORWARD", ...rule);
  }
}

/** Exit code of one iptables(8) call; undefined where there is no such program, and so nobody who filters with it. */
async function iptables(...args: string[]): Promise<number | undefined> {
  const program = spawn("iptables", ["-w", ...args], { stdio: "ignore" });
  try {
    return await new Promise((resolve, reject) =>
      program.once("close", (code) => resolve(code ?? undefined)).once("error", reject),
    );
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

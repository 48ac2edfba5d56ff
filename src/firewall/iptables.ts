import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
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
  if (!(await isForwardFiltered())) return;
  for (const rule of rulesOf(bridge, name)) {
    if ((await iptables("-C", "FORWARD", ...rule)) === 1) await iptables("-I", "FORWARD", ...rule);
  }
}

/**
 * Does FORWARD hold back anything? iptables-save, unlike iptables, makes no table that is not there: where nobody
 * filters with iptables, nothing of it is touched.
 */
async function isForwardFiltered(): Promise<boolean> {
  const { output } = await run("iptables-save", "-t", "filter");
  return /^(:FORWARD DROP|-A FORWARD)\b/m.test(output);
}

export async function withdrawFromIptables(bridge: string, name: string): Promise<void> {
  for (const rule of rulesOf(bridge, name)) {
    if ((await iptables("-C", "FORWARD", ...rule)) === 0) await iptables("-D", "FORWARD", ...rule);
  }
}

/** Exit code of one iptables(8) call. */
const iptables = async (...args: string[]) => (await run("iptables", "-w", ...args)).exitCode;

/** The exit code is undefined where there is no such program, and so nobody who filters with it. */
async function run(program: string, ...args: string[]): Promise<{ exitCode?: number; output: string }> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise<number | null>((resolve, reject) =>
    child.once("close", resolve).once("error", reject),
  );
  try {
    const [output, exitCode] = await Promise.all([text(child.stdout), ended]);
    return exitCode === null ? { output } : { exitCode, output };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { output: "" };
    throw error;
  }
}

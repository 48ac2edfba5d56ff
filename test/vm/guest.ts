import { randomUUID } from "node:crypto";
import { on, once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";

export interface Said {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** What one script may take; everything in there is emulated. */
const LIMIT_S = 240;

/** Where the virtual machine's agent is: scripts/vm/main.ts boots one and says so. */
function agentSocket(): string {
  const socket = process.env.GANTRY_VM;
  if (socket === undefined) throw new Error("these tests run in a virtual machine: npm run test:vm");
  return socket;
}

/** Run a bash script as root in the virtual machine to its end, one at a time. */
export async function tryIn(script: string): Promise<Said> {
  const channel = connect(agentSocket());
  await once(channel, "connect");
  const name = randomUUID();
  const limited = `exec timeout -k 5 ${LIMIT_S} bash -c ${quote(script)}`;
  channel.write(`${name} ${Buffer.from(limited).toString("base64")}\n`);
  const signal = AbortSignal.timeout((LIMIT_S + 30) * 1000);
  try {
    for await (const [line] of on(createInterface({ input: channel }), "line", { signal })) {
      const [to, code, stdout = "", stderr = ""] = String(line).split(" ");
      // Else it answers one who did not wait for it.
      if (to === name) return { exitCode: Number(code), stdout: decode(stdout), stderr: decode(stderr) };
    }
    throw new Error("the virtual machine has closed its console");
  } finally {
    channel.destroy();
  }
}

/** A script that has to work (every command of it); gives what it printed, without blanks around it. */
export async function inGuest(script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await tryIn(`set -euo pipefail\n${script}`);
  if (exitCode !== 0) throw new Error(`exit code ${exitCode} of: ${script}\n${stdout}${stderr}`);
  return stdout.trim();
}

const decode = (text: string): string => Buffer.from(text, "base64").toString("utf8");
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

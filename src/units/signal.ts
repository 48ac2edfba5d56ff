import { constants } from "node:os";
import { invalid } from "../errors/index.ts";

/** signal(7): real-time signals are counted from here by glibc, which keeps 32 and 33 for itself. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** A signal by number or name ("9", "KILL", "SIGKILL", "SIGRTMIN+3"). Throws invalid in Docker's words. */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= SIGRTMAX) return number;
    throw invalid(`invalid signal: ${text}`);
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const [, edge, sign, offset = "0"] = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name) ?? [];
  if (edge !== undefined) {
    const number = (edge === "MIN" ? SIGRTMIN : SIGRTMAX) + (sign === "-" ? -1 : 1) * Number(offset);
    if (number >= SIGRTMIN && number <= SIGRTMAX) return number;
  }
  const number = Object.entries(constants.signals).find(([known]) => known === `SIG${name}`)?.[1];
  if (number === undefined) throw invalid(`invalid signal: ${text}`);
  return number;
}

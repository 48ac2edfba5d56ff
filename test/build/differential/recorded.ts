import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Facts } from "./facts.ts";

/** What Debian's builders make of the cases, by the cases' names. */
export type Recorded = Readonly<Record<string, Facts>>;

const FILE = join(import.meta.dirname, "recorded.json");

export function readRecorded(): Recorded {
  try {
    return JSON.parse(readFileSync(FILE, "utf8"));
  } catch {
    return {};
  }
}

export function writeRecorded(recorded: Recorded): void {
  const ordered = Object.fromEntries(Object.entries(recorded).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(FILE, `${JSON.stringify(ordered, undefined, 1)}\n`);
}

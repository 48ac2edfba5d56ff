import { execFile } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { promisify } from "node:util";
import { errnoOf, internal, invalid, unavailable } from "../../errors/index.ts";

export interface ProcessTable {
  readonly titles: string[];
  readonly rows: string[][];
}

const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;

/**
 * Some processes as ps(1) of the host shows them. `psArgs` are options of it in one text, "-ef" when empty. Throws
 * invalid for a column that pretends to be the PID, internal for options that leave it out, in Docker's words.
 */
export async function listProcesses(pids: readonly number[], psArgs: string): Promise<ProcessTable> {
  refuseFalseHeadings(` ${psArgs}`);
  const args = (psArgs === "" ? "-ef" : psArgs).split(/\s+/).filter(Boolean);
  return filterProcesses(await runPs(args), new Set(pids));
}

/** "-o cmd=PID" would make another column look like the one that processes are known by. */
function refuseFalseHeadings(psArgs: string): void {
  for (const [, column = "", heading = ""] of psArgs.matchAll(/\s+([^\s]*)=\s*(PID[^\s]*)/g))
    if (column !== "pid") throw invalid(`specifying "${column}=${heading}" is not allowed`);
}

async function runPs(args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)("ps", [...args], {
      maxBuffer: MAX_OUTPUT_BYTES,
      env: { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C" },
    });
    return stdout;
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT")
      throw unavailable("the program ps is not installed on the host, which lists processes", { cause });
    const words = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "failed";
    throw internal(`Error running ps: ${words}`, { cause });
  }
}

/** The lines of ps whose PID is wanted, cut into columns; the last column may hold blanks. */
export function filterProcesses(output: string, pids: ReadonlySet<number>): ProcessTable {
  const [head = "", ...lines] = output.split("\n");
  const titles = head.trim().split(/\s+/);
  const at = titles.indexOf("PID");
  if (at < 0) throw internal("Couldn't find PID field in ps output");
  const rows = lines
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => pids.has(Number(fields[at])))
    .map((fields) => [...fields.slice(0, titles.length - 1), fields.slice(titles.length - 1).join(" ")]);
  return { titles, rows };
}

/** All processes in the pid namespace of one, itself among them; those that end meanwhile are left out. */
export function processesInNamespaceOf(pid: number): number[] {
  const namespaceOf = (process: string) => {
    try {
      return readlinkSync(`/proc/${process}/ns/pid`);
    } catch {
      // Ended, or nobody's to look into.
      return undefined;
    }
  };
  const wanted = namespaceOf(String(pid));
  if (wanted === undefined) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && namespaceOf(name) === wanted)
    .map(Number);
}

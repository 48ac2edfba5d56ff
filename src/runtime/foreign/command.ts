import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { errnoOf } from "../../errors/index.ts";
import type { BundleStore, RuntimeBundle } from "./bundle.ts";

/** The words before the name of a command: where the runtime keeps its state, and where it writes its errors. */
export function globalOptions(
  store: BundleStore,
  id: string,
  { runtime }: Pick<RuntimeBundle, "runtime">,
): string[] {
  return [
    runtime.path,
    "--root",
    store.stateRoot(runtime),
    "--log",
    store.paths(id).log,
    "--log-format",
    "json",
  ];
}

/** Run a command of a container's runtime to its end. Gives its complaint; undefined when it has done well. */
export async function runCommand(
  store: BundleStore,
  id: string,
  bundle: Pick<RuntimeBundle, "runtime">,
  words: readonly string[],
): Promise<string | undefined> {
  const [program = "", ...options] = globalOptions(store, id, bundle);
  const child = spawn(program, [...options, ...words], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) =>
    child.once("close", resolve).once("error", reject),
  );
  const [complaint, code] = await Promise.all([text(child.stderr), ended]);
  if (code === 0) return undefined;
  return lastComplaint(store, id) ?? (complaint.trim() || `${program} ended with code ${code}`);
}

/** What a runtime wrote last of what went wrong ({"level": "error", "msg": …} lines). */
export function lastComplaint(store: BundleStore, id: string): string | undefined {
  let lines: string;
  try {
    lines = readFileSync(store.paths(id).log, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  return lines
    .split("\n")
    .map(complaintOf)
    .findLast((words) => words !== undefined);
}

function complaintOf(line: string): string | undefined {
  try {
    const { level, msg }: { level?: unknown; msg?: unknown } = Object(JSON.parse(line));
    return level === "error" || level === "fatal" ? String(msg) : undefined;
  } catch {
    return undefined;
  }
}

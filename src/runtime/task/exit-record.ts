import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../errors/index.ts";
import type { ExitStatus } from "../task.ts";

/** The record that a shim leaves in its task's folder: "name number" lines. Undefined when the task never ended. */
export function readExitRecord(folder: string): ExitStatus | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, "exit"), "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const values = new Map(
    [...text.matchAll(/^([a-z]+) (\d+)$/gm)].map(([, name, value]) => [name, BigInt(value ?? "0")]),
  );
  const number = (name: string) => values.get(name) ?? 0n;
  return {
    exitCode: Number(number("exit")),
    signal: Number(number("signal")),
    oomKilled: number("oom") !== 0n,
    startedAtNs: number("started"),
    exitedAtNs: number("ended"),
  };
}

import { lstatSync, readdirSync, type Stats } from "node:fs";
import type { IgnoreRules } from "../../dockerfile/index.ts";

/** A folder, file or link of a context; names are bytes, one character each. */
export interface Walked {
  readonly name: string;
  readonly place: Buffer;
  readonly status: Stats;
}

/**
 * All of a folder that is not ignored, folders before what is in them, in the order of names; a folder that is ignored
 * itself comes with the first thing in it that is wanted. Sockets, pipes and devices are no files to build from.
 */
export function walkContext(root: Buffer, rules: IgnoreRules): Generator<Walked> {
  return walk(root, rules, "", []);
}

function* walk(root: Buffer, rules: IgnoreRules, below: string, heldBack: Walked[]): Generator<Walked> {
  const placeOf = (name: string) =>
    Buffer.concat([root, Buffer.from(name === "" ? "" : `/${name}`, "latin1")]);
  const names = readdirSync(placeOf(below), { encoding: "buffer" })
    .map((name) => name.toString("latin1"))
    .sort();
  for (const own of names) {
    const name = below === "" ? own : `${below}/${own}`;
    const place = placeOf(name);
    const status = lstatSync(place);
    const isIgnored = rules.ignores(name);
    if (isIgnored && !(status.isDirectory() && rules.mayHoldWanted(name))) continue;
    if (!status.isDirectory() && !status.isFile() && !status.isSymbolicLink()) continue;
    heldBack.push({ name, place, status });
    if (!isIgnored) yield* heldBack.splice(0);
    if (!status.isDirectory()) continue;
    yield* walk(root, rules, name, heldBack);
    if (heldBack.at(-1)?.name === name) heldBack.pop();
  }
}

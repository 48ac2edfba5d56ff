import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { invalid, messageOf } from "../../errors/index.ts";
import type { IdMapEntry, IdMaps } from "../plan/index.ts";
import { parseSubordinateIds, type SubordinateRange, subordinateRanges } from "./subordinate.ts";

/** Where subordinate ids are given. */
export interface RemapFiles {
  readonly subuid: string;
  readonly subgid: string;
}

const FILES: RemapFiles = { subuid: "/etc/subuid", subgid: "/etc/subgid" };

/** Docker's name for the user of `default`. */
const DEFAULT_USER = "dockremap";

/**
 * The maps that `--userns-remap` asks for: "default" (a user that is made when absent), USER, USER:GROUP, UID or
 * UID:GID. Ids of a container begin at 0 and go through the ranges in their order. undefined for root, who would only
 * be mapped to himself. Throws invalid for who does not exist or has no ranges.
 */
export function remapOf(words: string, files: RemapFiles = FILES): IdMaps | undefined {
  const parts = words.split(":");
  if (parts.length > 2 || parts.some((part) => part === ""))
    throw invalid(`invalid --userns-remap ${words}: must be default, USER, USER:GROUP, UID or UID:GID`);
  const [first = "", second] = parts;
  if (words === "default") makeDefaultUser(files);
  const user = entryOf("passwd", words === "default" ? DEFAULT_USER : first);
  if (user.name === "root") return undefined;
  const group = entryOf("group", second ?? user.name);
  return {
    uids: entriesOf("user", user, files.subuid),
    gids: entriesOf("group", group, files.subgid),
  };
}

interface Named {
  readonly name: string;
  readonly id: string;
}

/** Somebody by name or number, wherever the system knows them from. */
function entryOf(database: "passwd" | "group", key: string): Named {
  const [name = "", , id = ""] = (getent(database, key) ?? "").trimEnd().split(":");
  if (name === "" || (/^\d+$/.test(key) && id !== key)) {
    throw invalid(
      `invalid --userns-remap: ${database === "passwd" ? "user" : "group"} ${JSON.stringify(key)} does not exist`,
    );
  }
  return { name, id };
}

function getent(database: string, key: string): string | undefined {
  try {
    return execFileSync("getent", [database, key], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    // It ends with a code of its own when there is no such entry.
    return undefined;
  }
}

function entriesOf(what: "user" | "group", { name, id }: Named, file: string): IdMapEntry[] {
  const ranges = subordinateRanges(file, what === "user" ? [name, id] : [name]);
  if (ranges.length === 0) {
    throw invalid(
      `can't create ID mappings: no ${what === "user" ? "subuid" : "subgid"} ranges found for ${what} "${name}" in ${file}`,
    );
  }
  let containerId = 0;
  return ranges.map(({ first, size }) => {
    const entry = { containerId, hostId: first, size };
    containerId += size;
    return entry;
  });
}

const FIRST_SUBORDINATE = 100_000;
const RANGE_SIZE = 65_536;

/** As Docker makes it: a system user without a shell, with the next free range. */
function makeDefaultUser({ subuid, subgid }: RemapFiles): void {
  try {
    if (getent("passwd", DEFAULT_USER) === undefined)
      execFileSync("useradd", ["--system", "--user-group", "--shell", "/bin/false", DEFAULT_USER], QUIET);
    const missing = [subuid, subgid].filter((file) => subordinateRanges(file, [DEFAULT_USER]).length === 0);
    for (const file of missing) {
      const first = nextFree(existsSync(file) ? parseSubordinateIds(readFileSync(file, "utf8")) : []);
      const flag = file === subuid ? "--add-subuids" : "--add-subgids";
      execFileSync("usermod", [flag, `${first}-${first + RANGE_SIZE - 1}`, DEFAULT_USER], QUIET);
    }
  } catch (cause) {
    const said = Object(cause).stderr;
    const reason = Buffer.isBuffer(said) && said.length > 0 ? String(said).trim() : messageOf(cause);
    throw invalid(`the user ${DEFAULT_USER} of --userns-remap could not be made: ${reason}`, { cause });
  }
}

const QUIET: { stdio: ("ignore" | "pipe")[] } = { stdio: ["ignore", "ignore", "pipe"] };

function nextFree(taken: readonly SubordinateRange[]): number {
  return Math.max(FIRST_SUBORDINATE, ...taken.map(({ first, size }) => first + size));
}

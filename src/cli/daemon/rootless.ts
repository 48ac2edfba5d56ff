import { execFileSync, spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import type { EngineOptions, RootlessNetwork } from "../../daemon/index.ts";
import { internal, invalid, messageOf } from "../../errors/index.ts";
import { installShim, ownCommand } from "../../platform/index.ts";
import { userPlaces } from "../../platform/places/index.ts";
import { delegatedTo, enterDelegated, findDelegated, readCgroupLayout } from "../../runtime/cgroup/index.ts";
import { moveBelowUserManager, ownGroup } from "../../runtime/systemd/index.ts";
import { subordinateRanges } from "../../runtime/user-namespace/index.ts";
import { printError } from "../output/print.ts";
import { readyDescriptor } from "../terminal/server-process.ts";

/** What the daemon inside of the namespaces is told by the one that made them. */
const INSIDE = "GANTRY_ROOTLESS";
/** What the network program answers names at. */
const NAME_SERVER = "10.0.2.3";

/** Options of the daemon that say where an engine lives, with the places of an ordinary user for those not given. */
export function userPlacesAsOptions(given: ReadonlySet<string>, uid: number): string[] {
  const { runtime, data, config } = userPlaces(uid);
  const places = {
    host: `unix://${join(runtime, "gantry.sock")}`,
    "data-root": data,
    "exec-root": join(runtime, "gantry"),
    "config-root": config,
  };
  return Object.entries(places).flatMap(([flag, place]) => (given.has(flag) ? [] : [`--${flag}`, place]));
}

/** The folder of the namespaces' keeper, in a daemon that was started inside of them; else undefined. */
export function insideRootless(): RootlessNetwork | undefined {
  const folder = process.env[INSIDE];
  delete process.env[INSIDE];
  return folder === undefined ? undefined : { folder };
}

type RootlessPlaces = Pick<EngineOptions, "dataRoot" | "execRoot" | "name" | "cgroupDriver">;

/**
 * Run the daemon of an ordinary user, as root of a user namespace of his, which is made when it is not there; this process
 * becomes one that waits for it. `argv` names all places. Does not return; throws invalid for root, internal when it cannot be done.
 */
export async function enterRootless(
  argv: readonly string[],
  { dataRoot, execRoot, name, cgroupDriver }: RootlessPlaces,
): Promise<never> {
  if (process.getuid?.() === 0) throw invalid("--rootless is for ordinary users, and this is root");
  const { uid, gid } = userInfo();
  const folder = join(execRoot, "rootless");
  mkdirSync(dataRoot, { recursive: true, mode: 0o710 });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [program, path] = networkProgram();
  const resolvConf = join(folder, "resolv.conf");
  writeFileSync(resolvConf, `nameserver ${NAME_SERVER}\n`);
  const ids = idMaps(nameOf(uid), uid, gid);
  const shim = installShim(join(dataRoot, "bin"));
  await joinControlGroup(name, cgroupDriver);
  const args = ["rootless", folder, ids.uids, ids.gids, resolvConf, program, path];
  const inner = spawn(shim, [...args, ...ownCommand(), "daemon", ...argv], {
    // A runtime marks all other descriptors to be closed when it executes something in its own place.
    stdio: ["inherit", "inherit", "inherit", readyDescriptor()],
    detached: true,
    env: {
      ...process.env,
      // Where nft is; an ordinary user does not look there.
      PATH: `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`,
      [INSIDE]: folder,
    },
  });
  if (inner.pid === undefined) throw internal(`rootless: ${shim} cannot be run`);
  // From here on this process only waits and passes signals on, for which it need not be as large as it is.
  process.execve?.(shim, [shim, "rootless-wait", String(inner.pid)], {});
  throw internal("rootless: this runtime cannot execute another program in its place");
}

/**
 * Be where this user may make control groups: below his systemd, or else in a group that he was given. Without either the daemon
 * runs as well, and says what its containers lack.
 */
async function joinControlGroup(name: string, driver: RootlessPlaces["cgroupDriver"]): Promise<void> {
  try {
    if (driver !== "cgroupfs" && (await moveBelowUserManager(`${name}-daemon-${process.pid}.scope`))) return;
  } catch (error) {
    printError(`gantry daemon: warning: the user's systemd does not take this process: ${messageOf(error)}`);
  }
  if (driver === "systemd") return;
  const layout = readCgroupLayout();
  const own = ownGroup();
  const found = findDelegated(layout, own);
  if (delegatedTo(layout, own, name) === undefined && !("why" in found)) enterDelegated(layout, found, name);
}

/** Let go of the namespaces, when nothing of the engine is left in them. */
export function leaveRootless({ folder }: RootlessNetwork): void {
  // "HOLDER BEGAN KEEPER BEGAN"; see native/rootless.c.
  const keeper = Number(readFileSync(join(folder, "holder"), "utf8").split(" ")[2] ?? 0);
  if (keeper > 0) process.kill(keeper, "SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}

/** The user is root in there; his subordinate ids follow, when there are any and the system lets him use them. */
function idMaps(name: string, uid: number, gid: number): { uids: string; gids: string } {
  const [users, groups] = ["/etc/subuid", "/etc/subgid"].map((file) =>
    subordinateRanges(file, [name, String(uid)]),
  );
  const alone = { uids: `0 ${uid} 1`, gids: `0 ${gid} 1` };
  if (users === undefined || groups === undefined || users.length === 0 || groups.length === 0) {
    printError(
      `gantry daemon: warning: ${name} has no ranges in /etc/subuid and /etc/subgid: containers have one user, root, and images with files of others cannot be unpacked`,
    );
    return alone;
  }
  if (find("newuidmap") === undefined || find("newgidmap") === undefined) {
    printError(
      "gantry daemon: warning: newuidmap and newgidmap are missing (Debian's package uidmap): containers have one user, root, and images with files of others cannot be unpacked",
    );
    return alone;
  }
  const mapped = (own: number, ranges: typeof users) => {
    let inside = 1;
    const entries = ranges.map(({ first, size }) => {
      const entry = `${inside} ${first} ${size}`;
      inside += size;
      return entry;
    });
    return [`0 ${own} 1`, ...entries].join(" ");
  };
  return { uids: mapped(uid, users), gids: mapped(gid, groups) };
}

/** By whatever the system knows its users from. */
function nameOf(uid: number): string {
  try {
    return execFileSync("getent", ["passwd", String(uid)], { encoding: "utf8" }).split(":")[0] ?? "";
  } catch {
    return String(uid);
  }
}

const TUNNEL = "/dev/net/tun";

/** Who carries packets between the namespaces and the world. */
function networkProgram(): [program: "slirp4netns" | "pasta" | "none", path: string] {
  if (!mayUse(TUNNEL, constants.R_OK | constants.W_OK)) {
    printError(
      `gantry daemon: warning: this user may not open ${TUNNEL}: containers reach each other, but not the world`,
    );
    return ["none", ""];
  }
  for (const program of ["slirp4netns", "pasta"] as const) {
    const path = find(program);
    if (path !== undefined) return [program, path];
  }
  printError(
    "gantry daemon: warning: neither slirp4netns nor pasta (Debian's packages slirp4netns and passt) is here: containers reach each other, but not the world",
  );
  return ["none", ""];
}

function mayUse(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function find(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/sbin"];
  return folders
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => join(folder, program))
    .find((path) => mayUse(path, constants.X_OK));
}

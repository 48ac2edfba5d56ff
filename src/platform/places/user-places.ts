import { lstatSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where an ordinary user's engine lives when nothing else is said (XDG base directory specification). */
export interface UserPlaces {
  /** The folder for sockets: $XDG_RUNTIME_DIR, /run/user/UID, or one in /tmp that is the user's alone. */
  readonly runtime: string;
  /** ~/.local/share/gantry */
  readonly data: string;
  /** ~/.config/gantry */
  readonly config: string;
}

/** Throws an Error when the place in /tmp is somebody else's. */
export function userPlaces(uid: number): UserPlaces {
  const { XDG_RUNTIME_DIR = "", XDG_DATA_HOME = "", XDG_CONFIG_HOME = "" } = process.env;
  return {
    runtime: XDG_RUNTIME_DIR || runtimeFolder(uid),
    data: join(XDG_DATA_HOME || join(homedir(), ".local/share"), "gantry"),
    config: join(XDG_CONFIG_HOME || join(homedir(), ".config"), "gantry"),
  };
}

function runtimeFolder(uid: number): string {
  const session = `/run/user/${uid}`;
  if (lstatSync(session, { throwIfNoEntry: false })?.uid === uid) return session;
  const own = `/tmp/gantry-${uid}`;
  mkdirSync(own, { recursive: true, mode: 0o700 });
  // Anybody may make folders in /tmp.
  const status = lstatSync(own);
  if (!status.isDirectory() || status.uid !== uid || (status.mode & 0o077) !== 0)
    throw new Error(`${own} is not a folder of this user alone: set XDG_RUNTIME_DIR to one that is`);
  return own;
}

/** Where the engine of an ordinary user listens: "unix://…/gantry.sock". */
export const userHost = (uid: number): string => `unix://${join(userPlaces(uid).runtime, "gantry.sock")}`;

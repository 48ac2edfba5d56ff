import { createHmac, randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { invalid, messageOf } from "../../../errors/index.ts";
import type { Log } from "../../../log/index.ts";
import { verifyBcrypt } from "../../../platform/index.ts";
import { type AccessControl, type Identity, unauthorized } from "./access.ts";

/** Passwords found right are not computed again for so long; clients send them with every request. */
const REMEMBER_MS = 5 * 60_000;
const MAX_REMEMBERED = 1000;
/** Hashes computed at once; more would take all threads from the disk. */
const MAX_COMPUTING = 2;

/**
 * Basic authentication against a file as htpasswd -B writes it (NAME:bcrypt a line); whoever is in it may do
 * everything. The file is read again when it changes. Throws invalid for a file that holds anything else.
 */
export function htpasswdAccess(file: string, realm: string, log: Log): AccessControl {
  const key = randomBytes(32);
  const remembered = new Map<string, number>();
  const computing = new Map<string, Promise<boolean>>();
  const waiting: (() => void)[] = [];
  let running = 0;
  let { users, version } = readUsers(file);
  /** A version that was looked at already, and is complained of once. */
  let refused = version;
  const challenge = `Basic realm="${realm.replace(/["\\]/g, "\\$&")}"`;

  /** Keeps the last good state while the file is away or wrong. */
  function refresh(): void {
    try {
      const current = versionOf(file);
      if (current === version || current === refused) return;
      refused = current;
      ({ users, version } = readUsers(file));
      remembered.clear();
    } catch (error) {
      log.warn(`the password file stays as it was read before: ${messageOf(error)}`);
    }
  }

  async function compute(password: string, hash: string): Promise<boolean> {
    if (running >= MAX_COMPUTING) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return hash !== "" && (await verifyBcrypt(password, hash));
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  }

  async function check(name: string, password: string): Promise<boolean> {
    const hash = users.get(name);
    const proof = createHmac("sha256", key)
      .update(JSON.stringify([name, password, hash]))
      .digest("hex");
    const until = remembered.get(proof);
    if (until !== undefined && until > Date.now()) return true;
    let result = computing.get(proof);
    if (result === undefined) {
      // An unknown name costs the same time as a wrong password: it is compared with somebody else's.
      const [anybody = ""] = users.values();
      result = compute(password, hash ?? anybody).finally(() => computing.delete(proof));
      computing.set(proof, result);
    }
    if (!(await result) || hash === undefined) return false;
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(proof, Date.now() + REMEMBER_MS);
    return true;
  }

  return {
    async identify(authorization, needed): Promise<Identity> {
      const given = parseBasic(authorization);
      if (given === undefined) throw unauthorized(challenge, needed);
      refresh();
      if (!(await check(given.name, given.password))) throw unauthorized(challenge, needed);
      return { name: given.name, may: () => true };
    },
  };
}

interface Users {
  readonly users: ReadonlyMap<string, string>;
  readonly version: string;
}

function readUsers(file: string): Users {
  const version = versionOf(file);
  const users = new Map<string, string>();
  for (const [at, line] of readFileSync(file, "utf8").split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, name, hash] = /^([^:]+):(\$2[aby]\$\d\d\$[./A-Za-z0-9]{53})\s*$/.exec(line) ?? [];
    if (name === undefined || hash === undefined) {
      throw invalid(`${file}, line ${at + 1}: want NAME:HASH with a bcrypt hash, as htpasswd -B writes it`);
    }
    users.set(name, hash);
  }
  return { users, version };
}

function versionOf(file: string): string {
  const { mtimeMs, size, ino } = statSync(file);
  return `${mtimeMs} ${size} ${ino}`;
}

/** Name and password of a Basic Authorization header (RFC 7617). */
function parseBasic(header: string | undefined): { name: string; password: string } | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(header ?? "") ?? [];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

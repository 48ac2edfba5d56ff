import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { errnoOf, internal } from "../../errors/index.ts";
import { deleteLink, requestRoute } from "../../netlink/index.ts";

/** A MAC of one's own making: locally administered, unicast. */
export function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Index of an interface by name (sysfs), or undefined. */
export function interfaceIndex(name: string): number | undefined {
  return numberIn(`/sys/class/net/${name}/ifindex`);
}

/** Index of the bridge that an interface is on, or undefined. */
export function masterIndex(name: string): number | undefined {
  return numberIn(`/sys/class/net/${name}/master/ifindex`);
}

function numberIn(path: string): number | undefined {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Index of an interface that has to be there. Throws internal. */
export function requireInterface(name: string): number {
  const index = interfaceIndex(name);
  if (index === undefined) throw internal(`the network interface ${name} is not there`);
  return index;
}

/** Make a link unless one of that name is there; gives its index. */
export async function ensureLink(shimPath: string, name: string, create: Buffer): Promise<number> {
  if (interfaceIndex(name) === undefined) {
    const [failure] = await requestRoute({ shimPath }, [create]);
    if (failure !== undefined && failure !== "EEXIST")
      throw internal(`the network interface ${name} could not be made: ${failure}`);
  }
  return requireInterface(name);
}

export async function removeInterface(shimPath: string, name: string): Promise<void> {
  const index = interfaceIndex(name);
  if (index !== undefined) await requestRoute({ shimPath }, [deleteLink(index)]);
}

/** Set a value below /proc/sys; where a kernel without IPv6 has no such file, nothing is to be set. */
export function setSysctl(key: string, value: string): void {
  const path = `/proc/sys/${key}`;
  try {
    if (readFileSync(path, "utf8").trim() !== value) writeFileSync(path, value);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { errnoOf, internal } from "../errors/index.ts";
import { addAddress, createBridge, deleteLink, linkUp, requestRoute } from "../netlink/index.ts";

/** A MAC of one's own making: locally administered, unicast. */
export function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Index of an interface by name (sysfs), or undefined. */
export function interfaceIndex(name: string): number | undefined {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, "utf8"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Make the bridge be there, up, with the gateway's address, and forwarding. Returns its index. Safe to repeat. */
export async function ensureBridge(
  shimPath: string,
  name: string,
  gateway: string,
  prefix: number,
): Promise<number> {
  if (interfaceIndex(name) === undefined) {
    const [failure] = await requestRoute(shimPath, [createBridge(name, randomMac())]);
    if (failure !== undefined && failure !== "EEXIST")
      throw internal(`the bridge ${name} could not be made: ${failure}`);
  }
  const index = interfaceIndex(name);
  if (index === undefined) throw internal(`the bridge ${name} was removed while it was being made`);
  const [up, address] = await requestRoute(shimPath, [linkUp(index), addAddress(index, gateway, prefix)]);
  if (up !== undefined) throw internal(`the bridge ${name} could not be set up: ${up}`);
  if (address !== undefined && address !== "EEXIST")
    throw internal(`the bridge ${name} could not be given ${gateway}: ${address}`);
  setSysctl("net/ipv4/ip_forward", "1");
  // Published ports are reached from the host's own loopback by translation, which needs packets from 127/8 on the bridge.
  setSysctl(`net/ipv4/conf/${name}/route_localnet`, "1");
  setSysctl(`net/ipv6/conf/${name}/accept_ra`, "0");
  return index;
}

export async function removeInterface(shimPath: string, name: string): Promise<void> {
  const index = interfaceIndex(name);
  if (index !== undefined) await requestRoute(shimPath, [deleteLink(index)]);
}

function setSysctl(key: string, value: string): void {
  const path = `/proc/sys/${key}`;
  try {
    if (readFileSync(path, "utf8").trim() !== value) writeFileSync(path, value);
  } catch (error) {
    // A kernel without IPv6 has no such file.
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

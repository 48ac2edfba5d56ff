import { isIP } from "node:net";
import { invalid } from "../../errors/index.ts";
import type { PortBinding, PortMap } from "../../wire/index.ts";
import type { Protocol } from "../record.ts";

/** One published port as asked for: any port of the range, or a free one when there is no range. */
export interface PortRequest {
  readonly containerPort: number;
  readonly protocol: Protocol;
  /** "" = all addresses, or the default one of network or engine unless `anyAddress`. */
  readonly hostAddress: string;
  /** All addresses were asked for in so many words. */
  readonly anyAddress: boolean;
  readonly range: { readonly first: number; readonly last: number } | undefined;
}

/** What a container asks to publish. Throws invalid in Docker's words. */
export function parsePorts(
  bindings: PortMap,
  exposed: readonly string[],
  publishAll: boolean,
): PortRequest[] {
  const requests: PortRequest[] = [];
  for (const [key, list] of Object.entries(bindings)) {
    const { port, protocol } = parsePortKey(key);
    const bound: PortBinding[] = list === null || list.length === 0 ? [{ HostIp: "", HostPort: "" }] : list;
    for (const { HostIp, HostPort } of bound) {
      if (HostIp !== "" && isIP(HostIp) === 0) throw invalid(`invalid IP address: ${HostIp}`);
      requests.push({
        containerPort: port,
        protocol,
        hostAddress: HostIp === "0.0.0.0" ? "" : HostIp,
        anyAddress: HostIp === "0.0.0.0",
        range: parseRange(HostPort),
      });
    }
  }
  if (!publishAll) return requests;
  for (const key of exposed) {
    if (bindings[key] !== undefined) continue;
    const { port, protocol } = parsePortKey(key);
    requests.push({ containerPort: port, protocol, hostAddress: "", anyAddress: false, range: undefined });
  }
  return requests;
}

/** "80/tcp"; the protocol may be left out. */
export function parsePortKey(key: string): { port: number; protocol: Protocol } {
  const [, number = "", protocol = "tcp"] = /^(\d+)(?:\/(\w+))?$/.exec(key) ?? [];
  if (number === "" || Number(number) < 1 || Number(number) > 65_535)
    throw invalid(`invalid port specification: "${key}"`);
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp")
    throw invalid(`invalid proto: ${protocol}`);
  return { port: Number(number), protocol };
}

function parseRange(text: string): PortRequest["range"] {
  if (text === "" || text === "0") return undefined;
  const [, first = "", last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  if (first === "" || Number(first) < 1 || Number(last) > 65_535 || Number(last) < Number(first)) {
    throw invalid(`invalid hostPort: ${text}`);
  }
  return { first: Number(first), last: Number(last) };
}

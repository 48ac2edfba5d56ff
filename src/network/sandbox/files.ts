import { readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { formatResolvConf, parseResolvConf, readHostResolvConf } from "../../dns/index.ts";
import type { NetworkContext } from "../context.ts";
import { subnetOf } from "../drivers/index.ts";
import { parseLink } from "../names/index.ts";
import type { SandboxRequest } from "../record.ts";
import { isLive, type LiveRecord } from "../table.ts";

/** Where the name server is reached in every container of a user-defined network. */
export const NAME_SERVER = "127.0.0.11";
const PUBLIC_SERVERS = ["8.8.8.8", "8.8.4.4"];
const LOOPBACK = /^(127\.|::1$)/;

/** How much of the world a container has: what its three files say depends on it. */
export type SandboxKind = "host" | "none" | "default-bridge" | "named";

/**
 * Write the container's /etc/resolv.conf, /etc/hosts and /etc/hostname. In place, and not by renaming: the files are
 * mounted into it.
 */
export function writeSandboxFiles(
  context: Pick<NetworkContext, "table">,
  request: SandboxRequest,
  kind: SandboxKind,
  endpoints: readonly LiveRecord[],
): void {
  const { files } = request;
  writeFileSync(files.resolvConf, resolvConf(request, kind, endpoints), { mode: 0o644 });
  writeFileSync(files.hosts, hostsFile(context, request, kind, endpoints), { mode: 0o644 });
  writeFileSync(files.hostname, `${request.hostname}\n`, { mode: 0o644 });
}

/**
 * The host's without loopback servers and those of a family that the container does not have, or the engine's name
 * server; what the request says takes precedence.
 */
function resolvConf(
  { dns, dnsSearch, dnsOptions }: SandboxRequest,
  kind: SandboxKind,
  endpoints: readonly LiveRecord[],
): string {
  const text = readHostResolvConf();
  if ((kind === "host" || kind === "none") && dns.length + dnsSearch.length + dnsOptions.length === 0)
    return text;
  const host = parseResolvConf(text);
  const search = dnsSearch.length === 0 ? host.search : dnsSearch.includes(".") ? [] : dnsSearch;
  const options = dnsOptions.length > 0 ? dnsOptions : host.options;
  if (kind === "named") {
    const hasDots = options.some((option) => option.startsWith("ndots:"));
    return formatResolvConf({
      servers: [NAME_SERVER],
      search,
      options: hasDots ? options : [...options, "ndots:0"],
    });
  }
  const hasIPv6 = endpoints.some(({ live }) => live.ipv6 !== undefined);
  const reachable = host.servers.filter(
    (server) => !LOOPBACK.test(server) && (hasIPv6 || !server.includes(":")),
  );
  const servers = dns.length > 0 ? dns : reachable.length > 0 ? reachable : PUBLIC_SERVERS;
  return formatResolvConf({ servers, search, options });
}

const IPV6_LINES = [
  "::1\tlocalhost ip6-localhost ip6-loopback",
  "fe00::\tip6-localnet",
  "ff00::\tip6-mcastprefix",
  "ff02::1\tip6-allnodes",
  "ff02::2\tip6-allrouters",
];

/** hosts(5): loopback, --add-host, links, its own name. */
function hostsFile(
  context: Pick<NetworkContext, "table">,
  request: SandboxRequest,
  kind: SandboxKind,
  endpoints: readonly LiveRecord[],
): string {
  if (kind === "host" && request.extraHosts.length === 0) return readFileSync("/etc/hosts", "utf8");
  const { hostname, domainname } = request;
  const names = domainname === "" ? hostname : `${hostname}.${domainname} ${hostname}`;
  const own = endpoints
    .flatMap(({ live }) => [live.ipv4, live.ipv6])
    .filter((address) => address !== undefined);
  return [
    "127.0.0.1\tlocalhost",
    ...IPV6_LINES,
    ...request.extraHosts.map((entry) => extraHost(entry, hostGateway(context))),
    ...request.links.flatMap((link) => linkLines(context, link, endpoints)),
    ...own.map((address) => `${address}\t${names}`),
    "",
  ].join("\n");
}

/** The address at which containers reach the host: the default bridge's. */
export function hostGateway({ table }: Pick<NetworkContext, "table">): string {
  const bridge = table.networks().find(({ predefined, driver }) => predefined && driver === "bridge");
  return bridge === undefined ? "" : (subnetOf(bridge, 4)?.gateway ?? "");
}

/** "name:address" or "name=address". */
function extraHost(entry: string, gateway: string): string {
  const [, name = "", address = ""] = /^([^:=]+)[:=](.*)$/.exec(entry) ?? [];
  return `${address === "host-gateway" ? gateway : address.replace(/^\[(.*)\]$/, "$1")}\t${name}`;
}

/** Is it an entry that `extraHost` can read? */
export const isExtraHost = (entry: string): boolean => {
  const [, address = ""] = /^[^:=\s]+[:=](\S+)$/.exec(entry) ?? [];
  return address === "host-gateway" || isIP(address.replace(/^\[(.*)\]$/, "$1")) !== 0;
};

/** A legacy link: the other's address by alias, name and short id, where both are on the default bridge. */
function linkLines(
  { table }: Pick<NetworkContext, "table">,
  link: string,
  endpoints: readonly LiveRecord[],
): string[] {
  const { target, alias } = parseLink(link);
  return endpoints
    .filter(({ networkId }) => table.network(networkId)?.predefined === true)
    .flatMap(({ networkId }) => table.endpointsIn(networkId).filter(isLive))
    .flatMap(({ containerId, live }) => {
      const sandbox = table.sandbox(containerId);
      const name = sandbox?.containerName ?? "";
      if (name !== target && !containerId.startsWith(target)) return [];
      const names = [...new Set([alias, name, containerId.slice(0, 12)])].join(" ");
      return [live.ipv4, live.ipv6].flatMap((address) =>
        address === undefined ? [] : [`${address}\t${names}`],
      );
    });
}

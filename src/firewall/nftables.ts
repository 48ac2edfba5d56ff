import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { errnoOf, internal, unavailable } from "../errors/index.ts";
import type { Firewall, PublishedPort } from "./firewall.ts";
import { admitThroughIptables, withdrawFromIptables } from "./iptables.ts";

export interface NftablesOptions {
  /** Name of the table, the engine's own. */
  readonly table: string;
  readonly bridge: string;
  /** "172.17.0.0/16" */
  readonly subnet: string;
}

/**
 * One nftables table. Published ports are elements of two maps, so that a packet costs one look-up however many ports
 * there are, and publishing changes no rule. Rules are given to nft(8) as one transaction.
 */
export function createNftablesFirewall(options: NftablesOptions): Firewall {
  const { table } = options;
  const elements = (verb: "add" | "delete", ports: readonly PublishedPort[]) =>
    ports
      .map((port) => `${verb} element ip ${table} ${mapOf(port)} { ${elementOf(port, verb === "add")} }`)
      .join("\n");
  return {
    async replace(ports) {
      await nft(
        `table ip ${table} {}\ndelete table ip ${table}\n${tableOf(options)}\n${elements("add", ports)}\n`,
      );
      await admitThroughIptables(options.bridge, table);
    },
    async publish(ports) {
      if (ports.length > 0) await nft(elements("add", ports));
    },
    async withdraw(ports) {
      if (ports.length > 0) await nft(elements("delete", ports));
    },
    async remove() {
      await nft(`table ip ${table} {}\ndelete table ip ${table}\n`);
      await withdrawFromIptables(options.bridge, table);
    },
  };
}

const ANY = "0.0.0.0";
const mapOf = ({ hostAddress }: PublishedPort) => (hostAddress === ANY ? "published_any" : "published");

function elementOf(
  { hostAddress, hostPort, protocol, containerAddress, containerPort }: PublishedPort,
  withTarget: boolean,
): string {
  const key = `${hostAddress === ANY ? "" : `${hostAddress} . `}${protocol} . ${hostPort}`;
  return withTarget ? `${key} : ${containerAddress} . ${containerPort}` : key;
}

function tableOf({ table, bridge, subnet }: NftablesOptions): string {
  const translate = [
    `fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @published`,
    `fib daddr type local dnat ip to meta l4proto . th dport map @published_any`,
  ].join("\n    ");
  return `table ip ${table} {
  map published { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map published_any { type inet_proto . inet_service : ipv4_addr . inet_service; }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    comment "with route_localnet a container could reach what listens on the host's loopback"
    iifname "${bridge}" ip daddr 127.0.0.0/8 drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ${translate}
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ${translate}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${subnet} oifname != "${bridge}" masquerade
    ip saddr 127.0.0.0/8 oifname "${bridge}" masquerade
    ip saddr ${subnet} oifname "${bridge}" ct status dnat masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "${bridge}" accept
    oifname "${bridge}" ct state established,related accept
    oifname "${bridge}" ct status dnat accept
    oifname "${bridge}" drop
  }
}`;
}

async function nft(commands: string): Promise<void> {
  const program = spawn("nft", ["-f", "-"], { stdio: ["pipe", "ignore", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) =>
    program.once("close", resolve).once("error", reject),
  );
  program.stdin.on("error", () => program.stdin.destroy());
  program.stdin.end(commands);
  try {
    const [complaint, code] = await Promise.all([text(program.stderr), ended]);
    if (code !== 0) throw internal(`nftables refused the engine's rules: ${complaint.trim()}`);
  } catch (cause) {
    if (errnoOf(cause) !== "ENOENT") throw cause;
    throw unavailable("the program nft is missing: install Debian's package nftables", { cause });
  }
}

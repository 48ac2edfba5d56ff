import { existsSync, readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { EngineOptions } from "../../daemon/index.ts";
import { invalid, messageOf, unsupported } from "../../errors/index.ts";
import { parsePool, type SubnetPool } from "../../network/index.ts";
import { formatPrefix, parseBytes, parseDecimalBytes, parsePrefix } from "../../units/index.ts";
import { insideRootless, userPlacesAsOptions } from "./rootless.ts";

/** Where a daemon lives and listens. */
export interface DaemonOptions extends EngineOptions {
  /** Such as "unix:///run/gantry.sock"; at least one. */
  readonly hosts: readonly string[];
  /** Certificates of TLS for hosts that are no unix sockets; texts in PEM. */
  readonly tls:
    | { readonly authority: string; readonly certificate: string; readonly key: string }
    | undefined;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** The daemon of an ordinary user, which is still to enter his namespaces: its command line, with all places. */
  readonly enters: readonly string[] | undefined;
  /** Instead of running: remove what an engine leaves in the kernel (bridge, packet rules, control groups). */
  readonly teardown: boolean;
}

export const DEFAULT_HOST = "unix:///run/gantry.sock";

const LEVELS = ["debug", "info", "warn", "error"] as const;

export const DAEMON_HELP = `Usage:  gantry daemon [OPTIONS]

Run the engine. SIGTERM stops the daemon and leaves containers running; the next daemon takes them back.

Options:
      --add-runtime list   A further OCI runtime for containers, NAME=PATH; runc and crun are found by themselves
      --cpu-rt-period, --cpu-rt-runtime microseconds
                           Real-time processor time of all containers together: the runtime in each period (default 0 in
                           1000000); version 1 of control groups
      --config-root string Folder of registries.json and certs.d (default "/etc/gantry")
      --build-cache-limit bytes   What the build cache may take (default "20GB")
      --data-root string   Folder of images, containers and volumes (default "/var/lib/gantry")
      --debug              The same as --log-level debug
      --default-address-pool pool   Range for networks without a subnet: base=10.10.0.0/16,size=24; may be repeated
      --default-runtime string   Runtime of containers that ask for none (default "gantry", the engine's own)
      --exec-opt list      native.cgroupdriver=cgroupfs: the engine makes control groups itself; =systemd: systemd makes a
                           scope for each container, which needs cgroup version 2 (rootless the default, where it can)
      --exec-root string   Folder of sockets and running state (default "/run/gantry")
      --fixed-cidr-v6 network       Subnet of IPv6 for the default bridge, with --ipv6 (default one of the pools)
      --firewall-backend string     Who filters packets: "nftables" or "iptables" (default "nftables")
      --help               Print usage
  -H, --host list          Where to listen: unix:///PATH or tcp://127.0.0.1:PORT; with --tlsverify tcp://ADDRESS:PORT (default "${DEFAULT_HOST}")
      --insecure-registry list
                           HOST[:PORT] or network whose TLS is not verified and which may speak plain HTTP
      --ip string          Host address of published ports that name none; 127.0.0.1 keeps them to this machine
                           (default "0.0.0.0")
      --ipv6               Give the default bridge addresses of IPv6 too
  -l, --log-level string   "debug", "info", "warn" or "error" (default "info")
      --name string        Name of this engine's bridge, packet table and cgroup (default "gantry")
      --publish-filter string       Who decides on packets to published ports: "bypass" the engine alone, "input" the
                                    host's rules for its own ports too (default "bypass")
      --rootless           Run as an ordinary user, in a user namespace of his, with his places ($XDG_RUNTIME_DIR/gantry.sock,
                           ~/.local/share/gantry, ~/.config/gantry) as defaults
      --storage-opt list   overlay2.size=SIZE: what a container without a --storage-opt of its own may write to its layer
      --userns-remap string         Run containers in user namespaces with the subordinate ids of "default" (the user
                                    dockremap), USER, USER:GROUP, UID or UID:GID
      --tlscacert, --tlscert, --tlskey string
                           Files of the authority of clients' certificates, of the daemon's own certificate and of its key
                           (default ca.pem, cert.pem and key.pem in the folder of --config-root)
      --tlsverify          Serve tcp:// by TLS, to clients with a certificate of that authority alone
      --teardown           Remove the bridge, packet rules and cgroups of an engine that no longer runs, and end
`;

/** Options of `gantry daemon`, or undefined when help was asked for. Throws invalid for anything else. */
export function parseDaemonOptions(argv: readonly string[]): DaemonOptions | undefined {
  const given = parse(argv);
  if (given.help === true) return undefined;
  const rootless = insideRootless();
  const enters =
    given.rootless === true && rootless === undefined
      ? [...argv, ...userPlacesAsOptions(new Set(Object.keys(given)), process.getuid?.() ?? 0)]
      : undefined;
  const values = enters === undefined ? given : parse(enters);
  if (values.rootless === true && values.host?.some((host) => !host.startsWith("unix://")))
    throw invalid(
      "conflicting options: --rootless and a host that is no unix socket: the daemon's network is not the machine's",
    );
  if (values.rootless === true && values["userns-remap"] !== undefined)
    throw invalid(
      "conflicting options: --userns-remap and --rootless, whose containers are in a user namespace anyway",
    );
  const name = values.name ?? "gantry";
  // The bridge is called NAME0 and Linux keeps 15 characters of an interface's name.
  if (!/^[a-z][a-z0-9_-]{0,13}$/.test(name)) {
    throw invalid(
      `invalid --name ${name}: 1 to 14 lower-case letters, digits, - and _, beginning with a letter`,
    );
  }
  const cgroupDriver = cgroupDriverOf(values["exec-opt"] ?? []);
  const level = values.debug === true ? "debug" : (values["log-level"] ?? "info");
  const logLevel = LEVELS.find((known) => known === level);
  if (logLevel === undefined) throw invalid(`invalid --log-level ${level}: use one of ${LEVELS.join(", ")}`);
  return {
    hosts: values.host ?? [DEFAULT_HOST],
    dataRoot: absolute("data-root", values["data-root"] ?? "/var/lib/gantry"),
    execRoot: absolute("exec-root", values["exec-root"] ?? "/run/gantry"),
    name,
    configRoot: absolute("config-root", values["config-root"] ?? "/etc/gantry"),
    registryMirrors: values["registry-mirror"] ?? [],
    insecureRegistries: values["insecure-registry"] ?? [],
    firewallBackend: oneOf("firewall-backend", values["firewall-backend"], ["nftables", "iptables"]),
    networks: {
      addressPools: (values["default-address-pool"] ?? []).map(addressPool),
      defaultHostAddress: hostAddress(values.ip ?? "0.0.0.0"),
      publishFilter: oneOf("publish-filter", values["publish-filter"], ["bypass", "input"]),
      defaultBridgeIPv6: bridgeIPv6(values.ipv6 === true, values["fixed-cidr-v6"]),
    },
    ...(rootless === undefined ? {} : { rootless }),
    enters,
    cgroupDriver,
    realtime: realtimeOf(values["cpu-rt-period"], values["cpu-rt-runtime"]),
    usernsRemap: values["userns-remap"] ?? "",
    layerLimitBytes: layerLimitOf(values["storage-opt"] ?? []),
    buildCacheBytes: parseDecimalBytes(values["build-cache-limit"] ?? "20GB"),
    runtimes: { added: values["add-runtime"] ?? [], defaultName: values["default-runtime"] ?? "" },
    logLevel,
    tls: tlsOf(values),
    teardown: values.teardown === true,
  };
}

/** "native.cgroupdriver=cgroupfs" or "=systemd"; the last one counts. */
function cgroupDriverOf(options: readonly string[]): DaemonOptions["cgroupDriver"] {
  let driver: DaemonOptions["cgroupDriver"];
  for (const option of options) {
    const [key = "", value = ""] = option.split("=");
    if (key !== "native.cgroupdriver") throw invalid(`invalid --exec-opt ${option}: unknown option ${key}`);
    if (value !== "cgroupfs" && value !== "systemd")
      throw invalid(`invalid --exec-opt ${option}: native.cgroupdriver only supports cgroupfs or systemd`);
    driver = value;
  }
  if (driver === "systemd" && !existsSync("/run/systemd/system"))
    throw unsupported(
      "native.cgroupdriver=systemd: systemd does not run on this machine, so it cannot make control groups",
    );
  return driver;
}

/** "overlay2.size=10G"; the last one counts, and 0 is no limit. Throws invalid in Docker's words. */
function layerLimitOf(options: readonly string[]): number | undefined {
  let bytes = 0;
  for (const option of options) {
    const [, key = option, value = ""] = /^([^=]*)=(.*)$/s.exec(option) ?? [];
    if (key !== "overlay2.size") throw invalid(`overlay2: unknown option ${key}`);
    bytes = parseBytes(value);
  }
  return bytes || undefined;
}

function realtimeOf(period: string | undefined, runtime: string | undefined): DaemonOptions["realtime"] {
  if (period === undefined && runtime === undefined) return undefined;
  const [periodUs, runtimeUs] = [Number(period ?? 1_000_000), Number(runtime ?? 0)];
  if (!Number.isInteger(periodUs) || periodUs <= 0)
    throw invalid(`invalid --cpu-rt-period ${period}: must be a number of microseconds`);
  if (!Number.isInteger(runtimeUs) || runtimeUs < 0 || runtimeUs > periodUs)
    throw invalid(
      `invalid --cpu-rt-runtime ${runtime}: must be a number of microseconds, at most the period's ${periodUs}`,
    );
  return { periodUs, runtimeUs };
}

/** The value of a flag that takes one of a few words; the first is the default. */
function oneOf<T extends string>(flag: string, text: string | undefined, words: readonly [T, ...T[]]): T {
  const found = text === undefined ? words[0] : words.find((word) => word === text);
  if (found === undefined) throw invalid(`invalid --${flag} ${text}: use one of ${words.join(", ")}`);
  return found;
}

/** "base=10.10.0.0/16,size=24" */
function addressPool(text: string): SubnetPool {
  const fields = new Map(
    text.split(",").map((field) => [field.split("=")[0] ?? "", field.split("=")[1] ?? ""]),
  );
  const [base = "", size = ""] = [fields.get("base"), fields.get("size")];
  if (fields.size !== 2 || !/^\d{1,3}$/.test(size))
    throw invalid(`invalid --default-address-pool ${text}: must be base=NETWORK,size=NUMBER`);
  return parsePool(base, Number(size));
}

/** "" stands for all addresses. */
function hostAddress(text: string): string {
  if (!isIPv4(text)) throw invalid(`invalid --ip ${text}: must be an address of IPv4`);
  return text === "0.0.0.0" ? "" : text;
}

function bridgeIPv6(wanted: boolean, subnet: string | undefined): boolean | string {
  if (subnet === undefined) return wanted;
  if (!wanted) throw invalid("--fixed-cidr-v6 needs --ipv6");
  const prefix = parsePrefix(subnet);
  if (prefix?.family !== 6 || prefix.length > 126)
    throw invalid(`invalid --fixed-cidr-v6 ${subnet}: must be a network of IPv6`);
  return formatPrefix(prefix);
}

/** Throws invalid for a file that cannot be read. */
function tlsOf(values: ReturnType<typeof parse>): DaemonOptions["tls"] {
  if (values.tlsverify !== true) {
    if (
      [values.tls || undefined, values.tlscacert, values.tlscert, values.tlskey].every(
        (one) => one === undefined,
      )
    )
      return undefined;
    throw unsupported(
      "TLS without --tlsverify is not supported: it would let anybody be root who can connect",
    );
  }
  const read = (flag: "tlscacert" | "tlscert" | "tlskey", name: string) => {
    const file = values[flag] ?? join(values["config-root"] ?? "/etc/gantry", name);
    try {
      return readFileSync(file, "utf8");
    } catch (cause) {
      throw invalid(`invalid --${flag}: ${messageOf(cause)}`, { cause });
    }
  };
  return {
    authority: read("tlscacert", "ca.pem"),
    certificate: read("tlscert", "cert.pem"),
    key: read("tlskey", "key.pem"),
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        host: { type: "string", short: "H", multiple: true },
        "data-root": { type: "string" },
        "exec-root": { type: "string" },
        name: { type: "string" },
        "config-root": { type: "string" },
        "registry-mirror": { type: "string", multiple: true },
        "insecure-registry": { type: "string", multiple: true },
        "default-address-pool": { type: "string", multiple: true },
        "firewall-backend": { type: "string" },
        ip: { type: "string" },
        ipv6: { type: "boolean" },
        "fixed-cidr-v6": { type: "string" },
        "publish-filter": { type: "string" },
        "build-cache-limit": { type: "string" },
        "cpu-rt-period": { type: "string" },
        "cpu-rt-runtime": { type: "string" },
        "exec-opt": { type: "string", multiple: true },
        "add-runtime": { type: "string", multiple: true },
        "default-runtime": { type: "string" },
        "storage-opt": { type: "string", multiple: true },
        "log-level": { type: "string", short: "l" },
        debug: { type: "boolean" },
        "userns-remap": { type: "string" },
        rootless: { type: "boolean" },
        tls: { type: "boolean" },
        tlsverify: { type: "boolean" },
        tlscacert: { type: "string" },
        tlscert: { type: "string" },
        tlskey: { type: "string" },
        teardown: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (cause) {
    throw invalid(`${cause instanceof Error ? cause.message : String(cause)}\nSee 'gantry daemon --help'.`, {
      cause,
    });
  }
}

function absolute(flag: string, path: string): string {
  if (!path.startsWith("/")) throw invalid(`invalid --${flag} ${path}: the path must be absolute`);
  return path;
}

import type { CgroupLayout, CgroupPlacement } from "../../runtime/cgroup/index.ts";
import type { IdMapEntry, IdMaps } from "../../runtime/index.ts";
import type { Process, Spec, SpecNamespaceType } from "../../runtime/spec/index.ts";
import type { ContainerConfig, ExecConfig, HostConfig } from "../../wire/index.ts";
import type { ContainerFiles, JoinedNamespaces } from "../launch-planner.ts";
import type { ContainerRecord } from "../record.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { devicesOf } from "./devices.ts";
import { mergeEnvironment } from "./merge.ts";
import { mountsOf } from "./mounts.ts";
import { resourcesOf } from "./resources.ts";
import { parseRlimits } from "./rlimits.ts";
import { parseSecurityOptions } from "./security.ts";
import { shiftedBy } from "./user-mount.ts";

export interface SpecInput {
  readonly record: ContainerRecord;
  readonly files: ContainerFiles;
  readonly joined: JoinedNamespaces;
  /** Variables that its links give to it. */
  readonly linked: readonly string[];
  readonly layout: CgroupLayout;
  readonly placement: CgroupPlacement;
  /** How many groups the engine's own user namespace has. */
  readonly groupCount: number;
  /** Folders of an image's layers, topmost first. */
  readonly layersOf: (chainId: string) => readonly string[];
  /** See UserMountInput. */
  readonly shift: IdMaps | undefined;
}

const OCI_VERSION = "1.2.0";
const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The OCI runtime specification of a container. */
export function buildSpec(input: SpecInput): Spec {
  const { record, files, joined, layout } = input;
  const { config, hostConfig: host, mounts, idMaps } = record.definition;
  const { devices, rules } = devicesOf(host);
  const cgroupPath = cgroupPathOf(input);
  const groupCount = idMaps === undefined ? input.groupCount : mappedFromZero(idMaps.gids);
  const namespaces = namespacesOf(host, joined, idMaps);
  const has = (type: SpecNamespaceType) => namespaces.some((namespace) => namespace.type === type);
  return {
    ociVersion: OCI_VERSION,
    ...(host.UTSMode === "host" ? {} : { hostname: config.Hostname, domainname: config.Domainname }),
    root: { path: "rootfs", readonly: host.ReadonlyRootfs },
    process: processOf(config, host, input.linked),
    mounts: mountsOf({
      host,
      mounts,
      files,
      layout,
      cgroupPath,
      ownCgroupNamespace: has("cgroup"),
      shm: joined.shm,
      user: config.User,
      layersOf: input.layersOf,
      groupCount,
      idMaps,
      shift: input.shift,
    }),
    linux: {
      namespaces,
      ...shiftedBy(idMaps),
      devices,
      cgroupsPath: cgroupPath,
      resources: resourcesOf(host, rules),
      sysctl: { ...networkSysctls(host, namespaces, groupCount), ...host.Sysctls },
      maskedPaths: host.MaskedPaths ?? [],
      readonlyPaths: host.ReadonlyPaths ?? [],
      rootfsPropagation: mounts.some(({ Propagation }) => Propagation.endsWith("shared"))
        ? "rshared"
        : mounts.some(({ Propagation }) => Propagation.endsWith("slave"))
          ? "rslave"
          : "rprivate",
    },
  };
}

export function cgroupPathOf({ record, placement }: Pick<SpecInput, "record" | "placement">): string {
  return placement.pathOf(record.id, record.definition.hostConfig.CgroupParent);
}

function namespacesOf(
  host: HostConfig,
  joined: JoinedNamespaces,
  idMaps: IdMaps | undefined,
): Spec["linux"]["namespaces"] {
  const own = (type: SpecNamespaceType, path: string | undefined) =>
    path === undefined ? { type } : { type, path };
  return [
    ...(idMaps === undefined ? [] : [own("user", joined.user)]),
    { type: "mount" },
    ...(host.NetworkMode === "host" ? [] : [own("network", joined.network)]),
    ...(host.UTSMode === "host" ? [] : [{ type: "uts" as const }]),
    ...(host.PidMode === "host" ? [] : [own("pid", joined.pid)]),
    ...(host.IpcMode === "host" ? [] : [own("ipc", joined.ipc)]),
    ...(host.CgroupnsMode === "private" ? [{ type: "cgroup" as const }] : []),
  ];
}

/** Ports below 1024 and ping need no capability in a network namespace of one's own. */
function networkSysctls(
  host: HostConfig,
  namespaces: Spec["linux"]["namespaces"],
  groupCount: number,
): Record<string, string> {
  const network = namespaces.find(({ type }) => type === "network");
  if (host.Privileged || network === undefined || network.path !== undefined) return {};
  // Only groups that exist there can be named.
  const groups = Math.min(groupCount - 1, LAST_PING_GROUP);
  return { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": `0 ${groups}` };
}

/** Of net.ipv4.ping_group_range. */
const LAST_PING_GROUP = 2_147_483_647;

/** How many ids are mapped without a gap, from 0 on. */
const mappedFromZero = (entries: readonly IdMapEntry[]): number =>
  entries.reduce((end, { containerId, size }) => (containerId === end ? end + size : end), 0);

function processOf(config: ContainerConfig, host: HostConfig, linked: readonly string[]): Process {
  const security = parseSecurityOptions(host);
  const names = capabilitiesOf(host);
  const [height = 0, width = 0] = host.ConsoleSize;
  return {
    terminal: config.Tty,
    consoleSize: { height, width },
    // Names are looked up in the container's own files; see compile.
    user: { uid: 0, gid: 0, umask: 0o022 },
    args: [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])],
    env: environmentOf(config, linked),
    cwd: config.WorkingDir || "/",
    capabilities: capabilitySets(names, config.User),
    rlimits: parseRlimits(host.Ulimits ?? []),
    noNewPrivileges: security.noNewPrivileges,
    ...(host.OomScoreAdj !== 0 ? { oomScoreAdj: host.OomScoreAdj } : {}),
  };
}

/** Root has its capabilities; an ordinary user may only gain them by executing a file that has them. */
function capabilitySets(names: string[], user: string) {
  const isRoot = /^(|0|root)(:.*)?$/.test(user);
  const held = isRoot ? names : [];
  return { bounding: names, effective: held, permitted: held, inheritable: [], ambient: [] };
}

/** The standard variables, those of links, then the container's own; each may say otherwise than those before it. */
function environmentOf(config: ContainerConfig, linked: readonly string[]): string[] {
  const standard = [DEFAULT_PATH, `HOSTNAME=${config.Hostname}`, ...(config.Tty ? ["TERM=xterm"] : [])];
  const given = mergeEnvironment(standard, linked);
  const merged = mergeEnvironment(given, config.Env);
  return [
    ...standard.filter((entry) => merged.includes(entry)),
    ...linked.filter((entry) => merged.includes(entry)),
    ...merged.filter((entry) => !given.includes(entry)),
  ];
}

/** One more process in a container: the container's own, with what the request says instead. */
export function buildExecProcess(
  record: ContainerRecord,
  exec: ExecConfig,
  linked: readonly string[],
): Process {
  const { config, hostConfig } = record.definition;
  const base = processOf(
    { ...config, Tty: exec.Tty, User: exec.User || config.User },
    { ...hostConfig, Privileged: hostConfig.Privileged || exec.Privileged },
    linked,
  );
  const [height = 0, width = 0] = exec.ConsoleSize ?? [];
  return {
    ...base,
    consoleSize: { height, width },
    args: exec.Cmd,
    env: mergeEnvironment(base.env, exec.Env),
    cwd: exec.WorkingDir || base.cwd,
  };
}

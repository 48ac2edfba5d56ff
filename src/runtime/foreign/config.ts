import type { ScopeName } from "../cgroup/index.ts";
import type { Hook } from "../oci/index.ts";
import type { SeccompProfile } from "../seccomp/index.ts";
import { specificationOf } from "../seccomp/index.ts";
import type { LinuxResources, Process, Spec, SpecMount } from "../spec/index.ts";
import { withinReach } from "./within-reach.ts";

/** Numbers of --user and --group-add, looked up in the container's own files. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

export interface ConfigInput {
  readonly spec: Spec;
  readonly identity: Identity;
  readonly seccomp:
    | { readonly profile: SeccompProfile; readonly capabilities: ReadonlySet<string> }
    | undefined;
  /** Where the root is mounted when the runtime is called. */
  readonly root: string;
  /** By the names of the specification. */
  readonly hooks: Readonly<Record<string, readonly Hook[]>>;
  /** In place of the specification's own. */
  readonly mounts: readonly SpecMount[];
  readonly sysctl: Readonly<Record<string, string>>;
  /** Whether there are control groups that the runtime can make one in. */
  readonly hasGroups: boolean;
  /** A user namespace that is there already, when the container is to be in one. */
  readonly userFile: string | undefined;
  /** In place of the path of its control group. */
  readonly unit: ScopeName | undefined;
}

/** config.json of a bundle (OCI runtime-spec 1.0.2, what every runtime knows). */
export function configText(input: ConfigInput): string {
  const { spec, identity, seccomp } = input;
  const { linux } = spec;
  return JSON.stringify({
    ociVersion: "1.0.2",
    ...(spec.hostname === undefined ? {} : { hostname: spec.hostname }),
    ...(spec.domainname ? { domainname: spec.domainname } : {}),
    root: { path: input.root, readonly: spec.root.readonly },
    process: processOf(spec.process, identity),
    mounts: input.mounts.map(({ destination, type, source, options }) => ({
      destination,
      type,
      source,
      options,
    })),
    hooks: Object.fromEntries(
      Object.entries(input.hooks).map(([name, hooks]) => [
        name,
        hooks.map(({ timeoutSeconds, ...hook }) => ({
          ...hook,
          ...(timeoutSeconds === 0 ? {} : { timeout: timeoutSeconds }),
        })),
      ]),
    ),
    linux: {
      namespaces: linux.namespaces.map(({ type, path }) => {
        const own = type === "network" ? OWN_NETWORK : type === "user" ? input.userFile : undefined;
        const file = path ?? own;
        return file === undefined ? { type } : { type, path: file };
      }),
      uidMappings: linux.uidMappings,
      gidMappings: linux.gidMappings,
      devices: linux.devices,
      ...(input.hasGroups ? groupOf(input) : {}),
      sysctl: input.sysctl,
      maskedPaths: linux.maskedPaths,
      readonlyPaths: linux.readonlyPaths,
      rootfsPropagation: linux.rootfsPropagation,
      ...(seccomp === undefined ? {} : { seccomp: specificationOf(seccomp.profile, seccomp.capabilities) }),
    },
  });
}

const groupOf = ({ spec: { linux }, unit }: ConfigInput) => ({
  cgroupsPath: unit === undefined ? linux.cgroupsPath : [unit.slice, unit.prefix, unit.name].join(":"),
  resources: resourcesOf(linux.resources),
});

/** The network namespace is made by the plan, with its links, before the runtime is called in it. */
const OWN_NETWORK = "/proc/self/ns/net";

/** What `exec --process` takes. */
export const processText = (process: Process, identity: Identity): string =>
  JSON.stringify(processOf(process, identity));

function processOf(wanted: Process, { uid, gid, additionalGids }: Identity) {
  const { rlimits, ...process } = withinReach(wanted);
  const { umask } = process.user;
  return {
    ...process,
    user: { uid, gid, additionalGids, ...(umask === undefined ? {} : { umask }) },
    rlimits: rlimits.map(({ type, soft, hard }) => ({ type, soft: limit(soft), hard: limit(hard) })),
  };
}

/** RLIM_INFINITY is a number that JavaScript has none for. */
const limit = (value: number): number | object => (value < 0 ? JSON.rawJSON(String(2n ** 64n - 1n)) : value);

const deviceNumbers = (device: string) => {
  const [major, minor] = device.split(":").map(Number);
  return { major, minor };
};

function resourcesOf(resources: LinuxResources) {
  const { memory, cpu, pids, blockIO = {}, devices = [], hugepages, unified } = resources;
  const throttles = (file: string) =>
    (blockIO.throttle ?? [])
      .filter((throttle) => throttle.file === file)
      .map(({ device, rate }) => ({ ...deviceNumbers(device), rate }));
  return {
    memory,
    cpu,
    pids,
    blockIO: {
      weight: blockIO.weight,
      weightDevice: (blockIO.weightDevice ?? []).map(({ device, weight }) => ({
        ...deviceNumbers(device),
        weight,
      })),
      throttleReadBpsDevice: throttles("read_bps"),
      throttleWriteBpsDevice: throttles("write_bps"),
      throttleReadIOPSDevice: throttles("read_iops"),
      throttleWriteIOPSDevice: throttles("write_iops"),
    },
    devices: devices.map(({ allow, rule }) => deviceRule(allow, rule)),
    hugepageLimits: hugepages?.map(({ size, limit: bytes }) => ({ pageSize: size, limit: bytes })),
    unified,
  };
}

/** Of "c 1:* rwm"; what is any is left out. */
function deviceRule(allow: boolean, rule: string) {
  const [type = "a", numbers = "*:*", access = "rwm"] = rule.split(" ");
  const [major, minor] = numbers.split(":");
  return {
    allow,
    ...(type === "a" ? {} : { type }),
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}

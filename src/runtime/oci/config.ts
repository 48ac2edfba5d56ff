import { existsSync, readFileSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { errnoOf, invalid, unsupported } from "../../errors/index.ts";
import { isCapability } from "../capability/index.ts";
import { namespaceFile } from "../compile/index.ts";
import type { IdMapEntry } from "../plan/index.ts";
import { readSeccompProfile, type SeccompProfile } from "../seccomp/index.ts";
import type {
  Capabilities,
  Device,
  LinuxResources,
  Process,
  SpecMount,
  SpecNamespaceType,
} from "../spec/index.ts";
import { Field, parseJson } from "./json.ts";
import { readResources } from "./resources.ts";

/** config.json of a bundle (OCI runtime-spec 1.2, config.md and config-linux.md), read and checked. */
export interface BundleConfig {
  readonly ociVersion: string;
  readonly root: { readonly path: string; readonly readonly: boolean };
  /** Absent in a configuration that is only created, never started. */
  readonly process: BundleProcess | undefined;
  readonly hostname: string;
  readonly domainname: string;
  readonly mounts: readonly SpecMount[];
  readonly hooks: Readonly<Record<HookName, readonly Hook[]>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly namespaces: readonly { readonly type: SpecNamespaceType; readonly path?: string }[];
  readonly uidMappings: readonly IdMapEntry[];
  readonly gidMappings: readonly IdMapEntry[];
  readonly timeOffsets: readonly {
    readonly clock: string;
    readonly secs: number;
    readonly nanosecs: number;
  }[];
  readonly devices: readonly Device[];
  readonly cgroupsPath: string;
  readonly resources: LinuxResources;
  readonly sysctl: Readonly<Record<string, string>>;
  readonly seccomp: SeccompProfile | undefined;
  /** "" for the default. */
  readonly rootfsPropagation: "" | "shared" | "slave" | "private" | "unbindable";
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** A word of personality(2). */
  readonly personality: number | undefined;
}

export interface BundleProcess extends Process {
  readonly scheduler?: Scheduler;
  /** Class and data as ioprio_set(2) takes them. */
  readonly ioPriority?: number;
}

export interface Scheduler {
  readonly policy: number;
  readonly flags: number;
  readonly nice: number;
  readonly priority: number;
  readonly runtime: number;
  readonly deadline: number;
  readonly period: number;
}

export const HOOK_NAMES = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;
export type HookName = (typeof HOOK_NAMES)[number];

export interface Hook {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** 0 = no limit. */
  readonly timeoutSeconds: number;
}

/** Read the configuration of the bundle in a folder. Throws not a file's error but invalid, naming the field. */
export function readBundle(bundle: string): { config: BundleConfig; text: string } {
  let text: string;
  try {
    text = readFileSync(join(bundle, "config.json"), "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT")
      throw invalid("JSON specification file config.json not found", { cause });
    throw cause;
  }
  return { config: parseConfig(text, bundle), text };
}

/** The configuration in a text; relative paths in it are below the bundle. */
export const parseConfig = (text: string, bundle: string): BundleConfig =>
  readConfig(parseJson(text, "config.json"), bundle);

const PROPAGATIONS = ["shared", "slave", "private", "unbindable"] as const;
/** personality(2): PER_LINUX and PER_LINUX32. */
const PERSONALITIES = { LINUX: 0, LINUX32: 8 } as const;

function readConfig(config: Field, bundle: string): BundleConfig {
  const linux = config.get("linux");
  refuseUnknown(linux);
  const ociVersion = config.get("ociVersion").string();
  if (!/^1\.\d+\.\d+/.test(ociVersion))
    throw config.get("ociVersion").wrong("a version 1 of the specification");
  const namespaces = readNamespaces(linux.get("namespaces"));
  const has = (type: SpecNamespaceType) => namespaces.some((namespace) => namespace.type === type);
  const mountNamespace = namespaces.find(({ type }) => type === "mount");
  if (mountNamespace === undefined || mountNamespace.path !== undefined)
    throw invalid("config.json: a container needs a mount namespace of its own, new and without a path");
  if (config.get("root").isAbsent) throw config.get("root").wrong("an object with a path");
  const hostname = config.get("hostname").maybe((field) => field.string()) ?? "";
  const domainname = config.get("domainname").maybe((field) => field.string()) ?? "";
  if (!has("uts") && (hostname !== "" || domainname !== ""))
    throw invalid("config.json: unable to set hostname or domainname without a private UTS namespace");
  const uidMappings = linux.get("uidMappings").list().map(idMapping);
  const gidMappings = linux.get("gidMappings").list().map(idMapping);
  if (!has("user") && uidMappings.length + gidMappings.length > 0)
    throw invalid(
      "config.json: user namespace mappings specified, but user namespace isn't enabled in the config",
    );
  return {
    ociVersion,
    root: {
      path: resolve(bundle, config.get("root").get("path").string()),
      readonly: config.get("root").get("readonly").boolean(),
    },
    process: config.get("process").maybe(readProcess),
    hostname,
    domainname,
    mounts: config
      .get("mounts")
      .list()
      .map((field) => readMount(field, bundle)),
    hooks: readHooks(config.get("hooks")),
    annotations: stringMap(config.get("annotations")),
    namespaces,
    uidMappings,
    gidMappings,
    timeOffsets: readTimeOffsets(linux.get("timeOffsets"), namespaces),
    devices: linux.get("devices").list().map(readDevice),
    cgroupsPath: linux.get("cgroupsPath").maybe((field) => field.string()) ?? "",
    resources: readResources(linux.get("resources")),
    sysctl: stringMap(linux.get("sysctl")),
    seccomp: linux.get("seccomp").maybe((field) => readSeccompProfile(field.value)),
    rootfsPropagation:
      linux.get("rootfsPropagation").maybe((field) => (field.value === "" ? "" : propagation(field))) ?? "",
    maskedPaths: linux.get("maskedPaths").strings(),
    readonlyPaths: linux.get("readonlyPaths").strings(),
    personality: linux.get("personality").maybe((field) => {
      if (field.get("flags").list().length > 0)
        throw field.get("flags").wrong("empty: Linux has no flags yet");
      return PERSONALITIES[field.get("domain").oneOf(["LINUX", "LINUX32"])];
    }),
  };
}

/** "rslave" and "slave" alike: the root's propagation is that of everything below it. */
const propagation = (field: Field) =>
  new Field(field.string().replace(/^r(?=shared|slave|private|unbindable)/, ""), field.path).oneOf(
    PROPAGATIONS,
  );

/** What the specification has and this runtime cannot do is refused, never passed over. */
function refuseUnknown(linux: Field): void {
  for (const name of ["intelRdt", "memoryPolicy"])
    if (!linux.get(name).isAbsent)
      throw unsupported(`config.json: linux.${name} is not supported by this runtime`);
  if (linux.get("netDevices").entries().length > 0)
    throw unsupported("config.json: linux.netDevices is not supported by this runtime");
  const label = linux.get("mountLabel").maybe((field) => field.string());
  if (label)
    throw unsupported("config.json: linux.mountLabel needs SELinux, which this runtime does not set");
}

const NAMESPACES = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"] as const;

function readNamespaces(list: Field): BundleConfig["namespaces"] {
  const seen = new Set<string>();
  return list.list().map((field) => {
    const type = field.get("type").oneOf(NAMESPACES);
    if (seen.has(type)) throw invalid(`config.json: malformed spec file: duplicated namespace ${type}`);
    seen.add(type);
    if (!existsSync(`/proc/self/ns/${namespaceFile(type)}`))
      throw unsupported(`config.json: this kernel has no ${type} namespaces`);
    const path = field.get("path").maybe((item) => item.string());
    if (path === undefined || path === "") return { type };
    if (!isAbsolute(path)) throw field.get("path").wrong("an absolute path");
    return { type, path };
  });
}

const idMapping = (field: Field): IdMapEntry => ({
  containerId: field.get("containerID").integer(),
  hostId: field.get("hostID").integer(),
  size: field.get("size").integer(),
});

const stringMap = (field: Field): Record<string, string> =>
  Object.fromEntries(field.entries().map(([name, item]) => [name, item.string()]));

function readTimeOffsets(field: Field, namespaces: BundleConfig["namespaces"]): BundleConfig["timeOffsets"] {
  const offsets = field.entries().map(([clock, item]) => {
    if (clock !== "monotonic" && clock !== "boottime") throw item.wrong("of the clock monotonic or boottime");
    return {
      clock,
      secs: item.get("secs").maybe((value) => value.integer()) ?? 0,
      nanosecs: item.get("nanosecs").maybe((value) => value.integer()) ?? 0,
    };
  });
  const own = namespaces.find(({ type }) => type === "time");
  if (offsets.length > 0 && own === undefined)
    throw invalid(
      "config.json: time namespace offsets specified, but time namespace isn't enabled in the config",
    );
  // Offsets are set once, before the first process (time_namespaces(7)).
  if (offsets.length > 0 && own?.path !== undefined)
    throw invalid(
      "config.json: linux.timeOffsets are for a time namespace that is made, not for one that is joined",
    );
  return offsets;
}

function readMount(field: Field, bundle: string): SpecMount {
  const options = field.get("options").strings();
  const type = field.get("type").maybe((item) => item.string()) ?? "";
  const isBind = type === "bind" || options.includes("bind") || options.includes("rbind");
  const source = field.get("source").maybe((item) => item.string()) ?? "";
  if (isBind && source === "") throw field.get("source").wrong("the path of what is bound");
  const mappings = (name: "uidMappings" | "gidMappings") =>
    field
      .get(name)
      .list()
      .map(idMapping)
      .map(({ containerId, hostId, size }) => ({ containerID: containerId, hostID: hostId, size }));
  const [uidMappings, gidMappings] = [mappings("uidMappings"), mappings("gidMappings")];
  if (uidMappings.length > 0 !== gidMappings.length > 0 || (uidMappings.length > 0 && !isBind))
    throw field.wrong("a bind with uidMappings and gidMappings, or without both");
  const destination = field.get("destination").string();
  return {
    // Before version 1.1 a relative destination was one below the root.
    destination: isAbsolute(destination) ? destination : `/${destination}`,
    type: isBind ? "bind" : type,
    source: isBind ? resolve(bundle, source) : source,
    options,
    ...(uidMappings.length === 0 ? {} : { uidMappings, gidMappings }),
  };
}

const DEVICE_TYPES: Readonly<Record<string, Device["type"]>> = { c: "c", u: "c", b: "b", p: "p" };

function readDevice(field: Field): Device {
  const type = DEVICE_TYPES[field.get("type").string()];
  if (type === undefined) throw field.get("type").wrong("one of c, u, b, p");
  const number = (name: string, absent: number) => field.get(name).maybe((item) => item.integer()) ?? absent;
  return {
    path: field.get("path").string(),
    type,
    major: number("major", 0),
    minor: number("minor", 0),
    fileMode: number("fileMode", 0o666) & 0o777,
    uid: number("uid", 0),
    gid: number("gid", 0),
  };
}

function readHooks(field: Field): BundleConfig["hooks"] {
  const all = Object.fromEntries(HOOK_NAMES.map((name) => [name, field.get(name).list().map(readHook)]));
  return all as Record<HookName, Hook[]>;
}

/** A hook of config.json, or of whoever else writes them the same way. */
export function readHook(field: Field): Hook {
  const path = field.get("path").string();
  if (!isAbsolute(path)) throw field.get("path").wrong("an absolute path");
  const timeout = field.get("timeout").maybe((item) => item.integer()) ?? 0;
  if (!field.get("timeout").isAbsent && timeout <= 0) throw field.get("timeout").wrong("greater than zero");
  const args = field.get("args").strings();
  return {
    path,
    args: args.length === 0 ? [path] : args,
    env: field.get("env").strings(),
    timeoutSeconds: timeout,
  };
}

/** A process of config.json or of a file given to `exec`. */
export function readProcess(field: Field): BundleProcess {
  const args = field.get("args").strings();
  if (args.length === 0) throw invalid("process args cannot be empty");
  const cwd = field.get("cwd").maybe((item) => item.string()) ?? "";
  if (cwd === "") throw invalid("Cwd property must not be empty");
  if (!isAbsolute(cwd)) throw invalid("Cwd must be an absolute path");
  for (const name of ["apparmorProfile", "selinuxLabel"] as const)
    if (field.get(name).maybe((item) => item.string()))
      throw unsupported(`config.json: ${field.get(name).path} is not supported by this runtime`);
  if (!field.get("execCPUAffinity").isAbsent)
    throw unsupported(`config.json: ${field.get("execCPUAffinity").path} is not supported by this runtime`);
  const user = field.get("user");
  const id = (name: string) => user.get(name).maybe((item) => item.integer()) ?? 0;
  const umask = user.get("umask").maybe((item) => item.integer());
  const size = field.get("consoleSize");
  const oomScoreAdj = field.get("oomScoreAdj").maybe((item) => item.integer());
  const scheduler = field.get("scheduler").maybe(readScheduler);
  const ioPriority = field.get("ioPriority").maybe(readIoPriority);
  return {
    terminal: field.get("terminal").boolean(),
    ...(size.isAbsent
      ? {}
      : { consoleSize: { height: size.get("height").integer(), width: size.get("width").integer() } }),
    user: {
      uid: id("uid"),
      gid: id("gid"),
      ...(umask === undefined ? {} : { umask }),
      additionalGids: user
        .get("additionalGids")
        .list()
        .map((item) => item.integer()),
    },
    args,
    env: field.get("env").strings(),
    cwd,
    capabilities: readCapabilities(field.get("capabilities")),
    rlimits: field
      .get("rlimits")
      .list()
      .map((item) => {
        const type = item.get("type").string();
        if (!/^RLIMIT_[A-Z]+$/.test(type)) throw item.get("type").wrong("a limit such as RLIMIT_NOFILE");
        return { type, soft: rlimit(item.get("soft")), hard: rlimit(item.get("hard")) };
      }),
    noNewPrivileges: field.get("noNewPrivileges").boolean(),
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
    ...(scheduler === undefined ? {} : { scheduler }),
    ...(ioPriority === undefined ? {} : { ioPriority }),
  };
}

/** -1 for RLIM_INFINITY, which JSON has as 2^64-1. */
function rlimit(field: Field): number {
  return field.value === 2n ** 64n - 1n ? -1 : field.integer();
}

/** Names that this runtime does not know are of a kernel that it does not know either, and are left out. */
function readCapabilities(field: Field): Capabilities {
  const set = (name: string) => field.get(name).strings().filter(isCapability);
  return {
    bounding: set("bounding"),
    effective: set("effective"),
    permitted: set("permitted"),
    inheritable: set("inheritable"),
    ambient: set("ambient"),
  };
}

/** SCHED_* of sched(7) and SCHED_FLAG_* of sched_setattr(2). */
const POLICIES = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
} as const;
const SCHEDULER_FLAGS = {
  SCHED_FLAG_RESET_ON_FORK: 1,
  SCHED_FLAG_RECLAIM: 2,
  SCHED_FLAG_DL_OVERRUN: 4,
  SCHED_FLAG_KEEP_POLICY: 8,
  SCHED_FLAG_KEEP_PARAMS: 16,
  SCHED_FLAG_UTIL_CLAMP_MIN: 32,
  SCHED_FLAG_UTIL_CLAMP_MAX: 64,
} as const;

const namesOf = <T extends object>(table: T) => Object.keys(table) as (keyof T & string)[];

function readScheduler(field: Field): Scheduler {
  const number = (name: string) => field.get(name).maybe((item) => item.integer()) ?? 0;
  return {
    policy: POLICIES[field.get("policy").oneOf(namesOf(POLICIES))],
    flags: field
      .get("flags")
      .list()
      .reduce((bits, item) => bits | SCHEDULER_FLAGS[item.oneOf(namesOf(SCHEDULER_FLAGS))], 0),
    nice: number("nice"),
    priority: number("priority"),
    runtime: number("runtime"),
    deadline: number("deadline"),
    period: number("period"),
  };
}

/** IOPRIO_CLASS_* of ioprio_set(2). */
const IO_CLASSES = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as const;
const IO_CLASS_SHIFT = 13;

function readIoPriority(field: Field): number {
  const priority = field.get("priority").maybe((item) => item.integer()) ?? 0;
  if (priority < 0 || priority > 7) throw field.get("priority").wrong("from 0 to 7");
  return (IO_CLASSES[field.get("class").oneOf(namesOf(IO_CLASSES))] << IO_CLASS_SHIFT) | priority;
}

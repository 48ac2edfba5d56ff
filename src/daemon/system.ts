import { readFileSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import { mountOf } from "../platform/index.ts";
import type { LimitSupport } from "../runtime/cgroup/index.ts";
import { OWN_RUNTIME, type Runtimes } from "../runtime/foreign/index.ts";
import type { InfoReply, VersionReply } from "../wire/index.ts";
import {
  API_VERSION,
  BUILD_TIME,
  ENGINE_VERSION,
  GIT_COMMIT,
  MIN_API_VERSION,
  PLATFORM,
} from "../wire/index.ts";

const ARCHITECTURES: Readonly<Record<string, { go: string; kernel: string }>> = {
  x64: { go: "amd64", kernel: "x86_64" },
  arm64: { go: "arm64", kernel: "aarch64" },
};

/** What runs the engine, in the place where Docker names Go's version, and in its form ("go1.24.3"). */
const RUNTIME = `bun${process.versions.bun ?? ""}`;
/** Docker's word for the version of a program that there is none of. */
const NOT_THERE = { ID: "N/A", Expected: "N/A" };

export function describeVersion(): VersionReply {
  const details = {
    ApiVersion: API_VERSION,
    Arch: architecture().go,
    BuildTime: BUILD_TIME,
    Experimental: "false",
    GitCommit: GIT_COMMIT,
    GoVersion: RUNTIME,
    KernelVersion: release(),
    MinAPIVersion: MIN_API_VERSION,
    Os: "linux",
  };
  return {
    Platform: { Name: PLATFORM },
    Components: [
      { Name: "Engine", Version: ENGINE_VERSION, Details: details },
      { Name: "bun", Version: process.versions.bun ?? process.version, Details: {} },
    ],
    Version: ENGINE_VERSION,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: GIT_COMMIT,
    GoVersion: RUNTIME,
    Os: "linux",
    Arch: details.Arch,
    KernelVersion: details.KernelVersion,
    BuildTime: BUILD_TIME,
    Experimental: false,
  };
}

/** What `info` reports of the engine's own state. */
export interface EngineFacts {
  readonly id: string;
  readonly dataRoot: string;
  readonly containers: { readonly all: number; readonly running: number; readonly paused: number };
  readonly images: number;
  readonly cgroupVersion: "1" | "2";
  readonly cgroupDriver: "cgroupfs" | "systemd" | "none";
  readonly support: LimitSupport;
  /** Whether new containers get one of their own. */
  readonly userNamespaces: boolean;
  readonly runtimes: Runtimes;
  readonly rootless: boolean;
  /** Where descriptions of devices are looked for. */
  readonly cdiFolders: readonly string[];
  readonly warnings: readonly string[];
}

export function describeInfo(facts: EngineFacts): InfoReply {
  const { all, running, paused } = facts.containers;
  return {
    ID: facts.id,
    Containers: all,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: all - running - paused,
    Images: facts.images,
    Driver: "overlay2",
    DriverStatus: [
      ["Backing Filesystem", mountOf(facts.dataRoot).type],
      // Overlayfs does not mount over anything else.
      ["Supports d_type", "true"],
      ["Native Overlay Diff", "true"],
      ["userxattr", String(facts.rootless)],
    ],
    Plugins: {
      Volume: ["local"],
      Network: ["bridge", "host", "ipvlan", "macvlan", "null"],
      Authorization: null,
      Log: ["json-file", "none"],
    },
    MemoryLimit: facts.support.memory,
    SwapLimit: facts.support.swap,
    CpuCfsPeriod: facts.support.cpuQuota,
    CpuCfsQuota: facts.support.cpuQuota,
    CPUShares: facts.support.cpuShares,
    CPUSet: facts.support.cpuset,
    PidsLimit: facts.support.pids,
    IPv4Forwarding: readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim() === "1",
    OomKillDisable: facts.cgroupVersion === "1",
    Debug: false,
    NFd: 0,
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: "json-file",
    CgroupDriver: facts.cgroupDriver,
    CgroupVersion: facts.cgroupVersion,
    NEventsListener: 0,
    KernelVersion: release(),
    OperatingSystem: osRelease("PRETTY_NAME") || "Linux",
    OSVersion: osRelease("VERSION_ID"),
    OSType: "linux",
    Architecture: architecture().kernel,
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: {
      InsecureRegistryCIDRs: ["127.0.0.0/8", "::1/128"],
      IndexConfigs: {
        "docker.io": { Name: "docker.io", Mirrors: [], Secure: true, Official: true },
      },
      Mirrors: [],
    },
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    CDISpecDirs: [...facts.cdiFolders],
    FirewallBackend: { Driver: "nftables", Info: [] },
    DockerRootDir: facts.dataRoot,
    HttpProxy: process.env.HTTP_PROXY ?? "",
    HttpsProxy: process.env.HTTPS_PROXY ?? "",
    NoProxy: process.env.NO_PROXY ?? "",
    Name: hostname(),
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: ENGINE_VERSION,
    Runtimes: {
      [OWN_RUNTIME]: { path: "gantry-shim" },
      ...Object.fromEntries(facts.runtimes.list().map(({ name, path }) => [name, { path }])),
    },
    DefaultRuntime: facts.runtimes.defaultName,
    Swarm: {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: "",
    InitBinary: "gantry-shim",
    ContainerdCommit: NOT_THERE,
    RuncCommit: NOT_THERE,
    InitCommit: NOT_THERE,
    SecurityOptions: [
      "name=seccomp,profile=builtin",
      ...(facts.userNamespaces ? ["name=userns"] : []),
      ...(facts.rootless ? ["name=rootless"] : []),
      "name=cgroupns",
    ],
    Warnings: [...facts.warnings],
  };
}

const architecture = () => ARCHITECTURES[arch()] ?? { go: arch(), kernel: arch() };

/** A value of os-release(5); "" for one that is not there. */
function osRelease(name: string): string {
  const line = readFileSync("/etc/os-release", "utf8")
    .split("\n")
    .find((text) => text.startsWith(`${name}=`));
  return line === undefined ? "" : line.slice(name.length + 1).replaceAll('"', "");
}

/**
 * The OCI runtime specification's config.json (version 1.2), the parts for Linux that the engine fills in. Types only;
 * names are the specification's.
 */

export interface Spec {
  ociVersion: string;
  hostname?: string;
  domainname?: string;
  root: { path: string; readonly: boolean };
  process: Process;
  mounts: SpecMount[];
  linux: Linux;
}

export interface Process {
  terminal: boolean;
  consoleSize?: { height: number; width: number };
  /** Numbers; the engine gives names through `userWords` of the compile step, for they are the root's own. */
  user: { uid: number; gid: number; umask?: number; additionalGids?: number[] };
  args: string[];
  env: string[];
  cwd: string;
  capabilities: Capabilities;
  rlimits: { type: string; soft: number; hard: number }[];
  noNewPrivileges: boolean;
  oomScoreAdj?: number;
}

export interface Capabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable: string[];
  ambient: string[];
}

export interface SpecMount {
  destination: string;
  type: string;
  source: string;
  options: string[];
  /** A bind: owners on the disk (containerID) as other owners in the mount (hostID). */
  uidMappings?: SpecIdMapping[];
  gidMappings?: SpecIdMapping[];
  /** Not the specification's: a path below the source to bind in its place. */
  subpath?: string;
  /** Not the specification's: the mount namespace (a file) in whose root the source is. Options are the source's own. */
  namespace?: string;
}

export interface SpecIdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

export type SpecNamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";

export interface Linux {
  /** Without a path: a new one. A namespace that is not listed is the host's. */
  namespaces: { type: SpecNamespaceType; path?: string }[];
  /** Of a new user namespace, or of the one that is joined. */
  uidMappings?: SpecIdMapping[];
  gidMappings?: SpecIdMapping[];
  devices: {
    path: string;
    type: "c" | "b" | "p";
    major: number;
    minor: number;
    fileMode: number;
    uid: number;
    gid: number;
  }[];
  cgroupsPath: string;
  resources: LinuxResources;
  sysctl: Record<string, string>;
  maskedPaths: string[];
  readonlyPaths: string[];
  rootfsPropagation: string;
}

export interface LinuxResources {
  memory?: {
    limit?: number;
    reservation?: number;
    swap?: number;
    swappiness?: number;
    disableOOMKiller?: boolean;
  };
  cpu?: {
    shares?: number;
    quota?: number;
    period?: number;
    burst?: number;
    realtimeRuntime?: number;
    realtimePeriod?: number;
    idle?: number;
    cpus?: string;
    mems?: string;
  };
  pids?: { limit: number };
  blockIO?: {
    weight?: number;
    weightDevice?: { device: string; weight: number }[];
    /** `file` names the version 1 file ("read_bps"), `unified` the key of version 2 ("rbps"); device as "8:0". */
    throttle?: { file: string; unified: string; device: string; rate: number }[];
  };
  /** In the words of the devices controller: "c 1:3 rwm". */
  devices?: { allow: boolean; rule: string }[];
  /** `size` as the kernel's files have it: "2MB", "1GB". */
  hugepages?: { size: string; limit: number }[];
  /** Version 1 only. */
  network?: { classId?: number; priorities?: { name: string; priority: number }[] };
  /** Lines of rdma.max: "mlx5_1 hca_handle=3 hca_object=10000". */
  rdma?: string[];
  /** Files of version 2 by name. */
  unified?: Record<string, string>;
}

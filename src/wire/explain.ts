/** What makes a container: answers of GET /containers/{id}/explain and POST /containers/explain, Gantry's own. */
export interface ContainerExplanation {
  /** "" for a container that was not made. */
  Id: string;
  Name: string;
  Image: string;
  Command: string[];
  /** "planned" for one that was not made. */
  Status: string;
  /** 0 when it does not run. */
  Pid: number;
  Runtime: string;
  Namespaces: ExplainedNamespace[];
  Cgroup: ExplainedCgroup;
  Root: ExplainedRoot;
  Mounts: ExplainedMount[];
  Rights: ExplainedRights;
  Networks: ExplainedNetwork[];
  Plan: ExplainedOperation[];
}

export interface ExplainedNamespace {
  /** As in /proc/PID/ns: "mnt", "pid", … */
  Kind: string;
  /** The flag of clone(2). */
  Flag: string;
  Sharing: "own" | "host" | "container";
  /** Names of the other containers in it. */
  With: string[];
  /** Which namespace it is, as the kernel numbers it; 0 when there is none yet. */
  Inode: number;
}

export interface ExplainedCgroup {
  Path: string;
  Folders: { Folder: string; Version: 1 | 2; Controllers: string[] }[];
  /** Of a group that exists. */
  Limits: {
    Name: string;
    File: string;
    /** In the kernel's words; null where nothing is limited. */
    Limit: string | null;
    Use: string | null;
    Unit: "bytes" | "processes" | "";
  }[];
  /** Percent of the last ten seconds in which some of its processes waited; null where the kernel does not tell. */
  Pressure: Record<"cpu" | "memory" | "io", number> | null;
}

export interface ExplainedRoot {
  /** Lowest first; the last is the one that is written to. */
  Layers: { Folder: string; Size: number; CreatedBy: string; Writable: boolean }[];
  /** What the last may take on the disk, in bytes, and does; null without a limit. */
  Limit: { Bytes: number; Used: number } | null;
  /** Of the union's mount, as the kernel has them; "" when it is not mounted. */
  MountOptions: string;
}

export interface ExplainedMount {
  Target: string;
  Type: string;
  Source: string;
  Options: string;
}

export interface ExplainedRights {
  User: string;
  Capabilities: { Kept: string[]; Dropped: string[] };
  NoNewPrivileges: boolean;
  /** null without a filter. */
  Seccomp: {
    /** What happens to a system call that no rule is about. */
    Default: string;
    Instructions: number;
    /** How many system calls have each verdict; `Conditional` of them only with certain arguments. */
    Verdicts: { Action: string; Calls: number; Conditional: number }[];
  } | null;
}

export interface ExplainedNetwork {
  Name: string;
  Driver: string;
  /** From the container outwards. */
  Path: { Where: "container" | "host"; What: string; Name: string; Detail: string }[];
}

/** One operation of the launch plan. */
export interface ExplainedOperation {
  Index: number;
  Phase: "host" | "clone" | "link" | "container";
  Operation: string;
  /** Numbers beyond a double's reach are texts; bytes are base64. */
  Fields: Record<string, number | string | string[]>;
  /** The system calls that it becomes. */
  Call: string;
  Why: string;
  /** What its netlink messages say. */
  Messages?: string[];
}

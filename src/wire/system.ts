/** The Docker Engine API's objects for the system: version, info, events (API 1.51). Types only. */

export interface EventMessage {
  Type: "container" | "image" | "volume" | "network" | "daemon" | "builder" | "plugin";
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: "local";
  /** Seconds and nanoseconds since the epoch. */
  time: number;
  timeNano: bigint;
}

export interface VersionReply {
  Platform: { Name: string };
  Components: { Name: string; Version: string; Details: Record<string, string> }[];
  Version: string;
  ApiVersion: string;
  MinAPIVersion: string;
  GitCommit: string;
  GoVersion: string;
  Os: string;
  Arch: string;
  KernelVersion: string;
  BuildTime: string;
  Experimental: boolean;
}

/** GET /info. Built by the daemon; wide and mostly for show, so only its core is typed. */
export interface InfoReply {
  ID: string;
  Containers: number;
  ContainersRunning: number;
  ContainersPaused: number;
  ContainersStopped: number;
  Images: number;
  Driver: string;
  Name: string;
  ServerVersion: string;
  [field: string]: unknown;
}

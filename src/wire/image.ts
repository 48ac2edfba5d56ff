/** The Docker Engine API's objects for images (API 1.51). Types only. */
import type { HealthConfig } from "./container.ts";

/** `config` of an OCI image config: what a container of it starts from. */
export interface ImageConfig {
  User?: string;
  ExposedPorts?: Record<string, Record<string, never>>;
  Env?: string[] | null;
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  Volumes?: Record<string, Record<string, never>> | null;
  WorkingDir?: string;
  Labels?: Record<string, string> | null;
  StopSignal?: string;
  Healthcheck?: HealthConfig;
  ArgsEscaped?: boolean;
  OnBuild?: string[] | null;
  Shell?: string[];
}

export interface ImageSummary {
  Id: string;
  ParentId: string;
  RepoTags: string[];
  RepoDigests: string[];
  Created: number;
  Size: number;
  SharedSize: number;
  Labels: Record<string, string>;
  Containers: number;
}

export interface ImageInspect {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Parent: string;
  Comment: string;
  Created: string;
  DockerVersion: string;
  Author: string;
  Config: ImageConfig;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  Size: number;
  GraphDriver: { Name: string; Data: Record<string, string> | null };
  RootFS: { Type: "layers"; Layers: string[] };
  Metadata: { LastTagTime: string };
}

export interface ImageHistoryItem {
  Id: string;
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
}

export type ImageDeleteItem = { Untagged: string } | { Deleted: string };

/** One object of the streams of load, import, pull and push. */
export interface ProgressMessage {
  stream?: string;
  status?: string;
  id?: string;
  progress?: string;
  progressDetail?: { current?: number; total?: number };
  error?: string;
  errorDetail?: { code?: number; message: string };
  aux?: unknown;
}

/** One record of the build cache (API 1.51, BuildCache); `Parents` and what follows are told by this engine. */
export interface BuildCacheRecord {
  ID: string;
  Type: string;
  Description: string;
  InUse: boolean;
  Shared: boolean;
  Size: number;
  CreatedAt: string;
  LastUsedAt: string;
  UsageCount: number;
  Parents: string[];
  /** The cache of another machine that it came from. */
  Origin?: string;
}

export interface BuildPruneReply {
  CachesDeleted: string[] | null;
  SpaceReclaimed: number;
  /** Of a dry run: what would go, whole. */
  Records?: BuildCacheRecord[];
}

/** A build of this daemon's life. */
export interface BuildHistoryRecord {
  ID: string;
  Name: string;
  StartedAt: string;
  DurationMs: number;
  Status: "running" | "completed" | "error" | "canceled";
  Steps: number;
  CachedSteps: number;
  Error: string;
}

/** What a build tells a client that asks for it with `progress=events`, one in each message's `aux`. */
export type BuildProgressEvent =
  | {
      kind: "plan";
      steps: { step: number; text: string; stage: string; line: number; isMetadata: boolean }[];
    }
  | { kind: "started"; step: number; atMs: number }
  /** `data` in base64. */
  | { kind: "output"; step: number; stream: 1 | 2; data: string }
  | { kind: "finished"; step: number; atMs: number; cached: boolean; result: string }
  | { kind: "failed"; step: number; atMs: number; message: string }
  /** The build waits until POST /build/shell?id=…&h=…&w=… has been taken and left. */
  | { kind: "shell"; step: number; id: string }
  | { kind: "warning"; rule: string; message: string; url: string; line: number }
  | { kind: "note"; text: string }
  | { kind: "image"; id: string; tags: string[] };

/** The Docker Engine API's objects about disk space (API 1.51), and Gantry's own of its check. Types only. */
import type { ContainerSummary } from "./container.ts";
import type { BuildCacheRecord, ImageSummary } from "./image.ts";
import type { VolumeInspect } from "./volume.ts";

export interface DiskUsage {
  LayersSize: number;
  Images: ImageSummary[];
  Containers: ContainerSummary[];
  Volumes: (VolumeInspect & { UsageData: { Size: number; RefCount: number } })[];
  BuildCache: BuildCacheRecord[];
  BuilderSize: number;
  /** Gantry's own: asked for with storage=1. The parts add up to what the data root takes on the disk. */
  Storage?: StoragePart[];
}

export interface StoragePart {
  Name: string;
  Path: string;
  /** Allocated blocks. */
  Bytes: number;
}

/** Answer of POST /system/fsck. */
export interface FsckReply {
  Checked: { Blobs: number; Layers: number; Images: number };
  Problems: FsckProblem[];
}

export interface FsckProblem {
  Kind: "blob" | "layer" | "image" | "folder" | "partial";
  Subject: string;
  Detail: string;
  Repaired: boolean;
}

/** Gantry's own: GET /images/{name}/layers. */
export interface ImageLayersReply {
  Id: string;
  Size: number;
  WastedBytes: number;
  /** Base first. */
  Layers: ImageLayerReport[];
}

export interface ImageLayerReport {
  DiffId: string;
  Digest: string;
  CreatedBy: string;
  /** Of its files; as it is stored and sent. */
  Size: number;
  CompressedSize: number;
  Added: { Files: number; Bytes: number };
  Changed: { Files: number; Bytes: number };
  /** Paths of lower layers that it removes. */
  Hidden: number;
  /** Bytes of lower layers that it makes unseen. */
  WastedBytes: number;
  Largest: { Path: string; Size: number }[];
}

/** Gantry's own: GET /images/{name}/diff?to=OTHER. */
export interface ImageDiff {
  Kind: "added" | "removed" | "changed";
  Path: string;
  Before: number;
  After: number;
}

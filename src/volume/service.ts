import type { Readable } from "node:stream";
import type { Filters, VolumeInspect } from "../wire/index.ts";

/** Volumes: named folders that outlive containers. The local driver keeps one at DATA_ROOT/volumes/NAME/_data. */
export interface VolumeService {
  /** Throws invalid for a bad name or options, not-found for a driver that is not there. A volume that is there is given as it is. */
  create(request: VolumeRequest): Promise<VolumeInspect>;
  /** Throws not-found "get x: no such volume". */
  inspect(name: string): VolumeInspect;
  list(filters: Filters): VolumeInspect[];
  /** Throws conflict when a container uses it. With `force` one that is not there is no error. */
  remove(name: string, options: { force: boolean }): Promise<void>;
  /** Removes volumes that no container uses: anonymous ones, with the filter all=true named ones as well. */
  prune(filters: Filters): Promise<{ names: string[]; bytes: number }>;
  /** What is in it as a tar, taken as it is at this moment: containers may go on writing. */
  exportTo(name: string, signal: AbortSignal): Promise<Readable>;
  /** Unpack a tar (plain or compressed) into a volume, which is made when absent. */
  importFrom(name: string, archive: Readable, signal: AbortSignal): Promise<void>;
  /** A new volume with the content of another; file systems that can share the blocks. Throws conflict for a taken name. */
  clone(from: string, to: string): Promise<VolumeInspect>;
}

/** What the service of containers needs of the volumes. */
export interface ContainerVolumes {
  /** The volume of this name, made when absent. `name` empty makes an anonymous one with a 64-digit name. */
  ensure(request: VolumeRequest): Promise<Volume>;
  find(name: string): Volume | undefined;
  /** Take back a volume that was made for a container; no error when it is gone. */
  discard(name: string): Promise<void>;
  /** A container is about to start: what is behind the volume's folder is mounted. Throws internal in Docker's words. */
  acquire(name: string, use: VolumeUse): Promise<void>;
  /** It has ended: what nobody uses any more is unmounted. */
  release(name: string, use: VolumeUse): Promise<void>;
  /** At start: who uses what now. Mounts that nobody uses are taken down. */
  reconcile(uses: readonly { name: string; containerId: string }[]): Promise<void>;
}

export interface VolumeRequest {
  readonly name: string;
  /** "" = local. */
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

/** One container's mount of a volume, for events. */
export interface VolumeUse {
  readonly containerId: string;
  readonly destination: string;
  readonly writable: boolean;
}

export interface Volume {
  readonly name: string;
  readonly driver: string;
  readonly mountpoint: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
}

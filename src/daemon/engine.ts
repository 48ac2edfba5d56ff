import type { BuildService } from "../build/index.ts";
import type { ContainerService } from "../container/index.ts";
import type { EventLog } from "../events/index.ts";
import type { ImageService } from "../image/index.ts";
import type { NetworkService } from "../network/index.ts";
import type { VolumeService } from "../volume/index.ts";
import type { DiskUsage, InfoReply, VersionReply } from "../wire/index.ts";

/** What the faces (API, CRI, embedded library) call. Built by the daemon's composition. */
export interface Engine {
  readonly builds: BuildService;
  readonly containers: ContainerService;
  readonly images: ImageService;
  readonly networks: NetworkService;
  readonly volumes: VolumeService;
  readonly events: EventLog;
  version(): VersionReply;
  info(): Promise<InfoReply>;
  /** `types` empty: all. With `storage` also what each part of the data root takes on the disk. */
  diskUsage(query: { types: readonly string[]; storage: boolean }): Promise<DiskUsage>;
}

import type { Readable } from "node:stream";
import type { EventLog } from "../events/index.ts";
import type { ImageService } from "../image/index.ts";
import type { Log } from "../log/index.ts";
import type { ContainerNetworks } from "../network/index.ts";
import type { KeyedMutex } from "../platform/index.ts";
import type { Runtimes } from "../runtime/foreign/index.ts";
import type { IdMaps, Task, TaskLauncher } from "../runtime/index.ts";
import type { Snapshotter } from "../snapshot/index.ts";
import type { Store } from "../store/index.ts";
import type { ContainerVolumes } from "../volume/index.ts";
import type { ExecTable } from "./exec-table.ts";
import type { ContainerGroups } from "./groups.ts";
import type { LaunchPlanner } from "./launch-planner.ts";
import type { LiveContainers } from "./live.ts";
import type { ContainerTable } from "./table.ts";

/** What the container service is built from. */
export interface ContainerServiceOptions {
  readonly store: Store;
  readonly images: Pick<ImageService, "resolve" | "findById" | "inspect" | "commit" | "layersOf">;
  readonly snapshotter: Snapshotter;
  readonly network: ContainerNetworks;
  readonly volumes: ContainerVolumes;
  readonly launcher: TaskLauncher;
  readonly planner: LaunchPlanner;
  readonly groups: ContainerGroups;
  readonly runtimes: Runtimes;
  readonly events: EventLog;
  /** The native helper. */
  readonly shim: string;
  readonly log: Log;
  /** The tree that folders make together, topmost first, as a tar. */
  readonly packTree: (folders: readonly string[]) => Readable;
  /** DATA_ROOT/containers: one folder per container with its log and its generated files. */
  readonly folder: string;
  /** What the writable layer of a container that does not say may take on the disk; undefined: no limit. */
  readonly layerLimitBytes: number | undefined;
  /** Of the user namespaces that new containers get, unless they ask for the host's. */
  readonly idMaps: IdMaps | undefined;
}

/** The same with what the service itself owns; every use case takes this as its first argument. */
export interface ContainerContext extends ContainerServiceOptions {
  readonly table: ContainerTable;
  readonly execs: ExecTable;
  readonly live: LiveContainers;
  /** Tasks of execs, by exec id. */
  readonly execTasks: Map<string, Task>;
  /** One lock per container id: held while its state changes, never while waiting for its process to end. */
  readonly locks: KeyedMutex;
}

import type { IdMaps } from "../runtime/index.ts";
import type { ContainerConfig, HostConfig, MountPoint, NetworkingConfig } from "../wire/index.ts";
import type { ContainerLifeState } from "./state.ts";

/** A mount of a container after every flag, image volume and default was worked out. */
export interface ResolvedMount extends MountPoint {
  readonly Type: "bind" | "volume" | "tmpfs" | "image";
  /** Copy what the image has at the destination into an empty volume. */
  readonly copyUp: boolean;
  /** Bind: mount only the folder itself, not what is mounted below it. */
  readonly nonRecursive: boolean;
  /** A read-only bind whose submounts stay writable (Docker's ReadOnlyNonRecursive). */
  readonly readonlyNonRecursive: boolean;
  /** tmpfs(5) options, such as "size=64m,mode=1777". */
  readonly tmpfsOptions: string;
  /** A path in the volume that is mounted in its place. */
  readonly subpath?: string;
  /** An image's top layer, and the image itself. */
  readonly image?: { readonly id: string; readonly chainId: string };
  /** Owner of the source on the host who is to be the container's user in it. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** A folder of the engine's own, in which owners are the container's ids, whatever these are on the host. */
  readonly ownIds?: boolean;
  /** A volume whose size is limited. */
  readonly limited?: boolean;
  /** The volume was made for this container alone and goes with `rm -v`. */
  readonly anonymous: boolean;
}

/** What create decides; only limits and restart policy can change later (`update`). Stored as one JSON document. */
export interface ContainerDefinition {
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networkingConfig: NetworkingConfig;
  /** "sha256:…" */
  readonly imageId: string;
  readonly chainId: string | undefined;
  readonly mounts: readonly ResolvedMount[];
  readonly platform: string;
  /** What its writable layer may take on the disk. */
  readonly layerLimitBytes?: number;
  /** Of its user namespace, for as long as it exists; without them it is in the host's. */
  readonly idMaps?: IdMaps;
}

/** One container as the engine knows it. `name` is without the leading slash. */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly createdAtNs: bigint;
  readonly definition: ContainerDefinition;
  readonly state: ContainerLifeState;
  readonly restartCount: number;
}

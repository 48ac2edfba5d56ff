import type { Log } from "../../log/index.ts";
import type { SendBuffers } from "./http/send-file.ts";
import type { Limits } from "./limits.ts";
import type { Metrics } from "./metrics.ts";
import type { PullThroughCache } from "./proxy/cache.ts";
import type { RegistryStorage } from "./storage/storage.ts";

/** What the answers of a registry are made from. */
export interface Registry {
  readonly storage: RegistryStorage;
  /** Refuse everything that would change something. */
  readonly readOnly: boolean;
  /** Accept deletes of tags, manifests and blobs. */
  readonly deletes: boolean;
  /** Another registry whose content is served, and kept; then nothing can be pushed. */
  readonly cache: PullThroughCache | undefined;
  readonly buffers: SendBuffers;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly log: Log;
}

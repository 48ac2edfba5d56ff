import { existsSync } from "node:fs";
import { join } from "node:path";
import { idmappedLayersFault } from "../container/index.ts";
import type { Log } from "../log/index.ts";
import type { IdMaps } from "../runtime/index.ts";
import { createStoredOwners, type StoredOwners } from "../runtime/user-namespace/index.ts";

const PROBE_LIMIT_MS = 10_000;

/** Where an engine keeps its things, and whether owners stand there as a user namespace's. */
export interface EngineRoot {
  readonly folder: string;
  readonly storedOwners: StoredOwners | undefined;
}

/**
 * The root of an engine with `--userns-remap`. With idmapped mounts one root serves all; without them owners are the
 * namespace's on the disk, in a root of its own for each pair of ids (Docker's DATA_ROOT/UID.GID). One that was begun so goes on
 * so, whatever the kernel learns. Throws unsupported for ids that cannot be stored.
 */
export async function remappedRoot(
  dataRoot: string,
  shim: string,
  idMaps: IdMaps,
  log: Log,
): Promise<EngineRoot> {
  const [uid] = idMaps.uids;
  const [gid] = idMaps.gids;
  const folder = join(dataRoot, `${uid?.hostId}.${gid?.hostId}`);
  if (existsSync(folder)) return { folder, storedOwners: createStoredOwners(idMaps) };
  const limit = AbortSignal.timeout(PROBE_LIMIT_MS);
  const fault = await idmappedLayersFault(shim, dataRoot, idMaps, limit);
  if (fault === undefined) return { folder: dataRoot, storedOwners: undefined };
  log.warn(
    `--userns-remap: this kernel or the file system of ${dataRoot} has no idmapped mounts (${fault}), so images and containers are kept with the owners of the host in ${folder}`,
  );
  return { folder, storedOwners: createStoredOwners(idMaps) };
}

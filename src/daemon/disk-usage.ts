import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describeRecord } from "../build/index.ts";
import { invalid } from "../errors/index.ts";
import { allocatedBytes } from "../platform/index.ts";
import type { DiskUsage, StoragePart } from "../wire/index.ts";
import type { Engine } from "./engine.ts";

const TYPES = ["container", "image", "volume", "build-cache"];

/** What folders of a data root hold, in words. */
const PARTS: Readonly<Record<string, string>> = {
  content: "Blobs of images and partial downloads",
  snapshots: "Layers and writable layers",
  containers: "Logs and files of containers",
  volumes: "Volumes",
  build: "Build cache",
};

/**
 * `system df`: what images, containers and volumes take (`types` empty: all). Sizes are those of files; with `storage`
 * also the blocks that each part of the data root takes on the disk, which add up to what du(1) says of it.
 */
export async function describeDiskUsage(
  engine: Pick<Engine, "images" | "containers" | "volumes" | "builds">,
  dataRoot: string,
  { types, storage }: { types: readonly string[]; storage: boolean },
): Promise<DiskUsage> {
  for (const type of types) if (!TYPES.includes(type)) throw invalid(`unknown object type: ${type}`);
  const wants = (type: string) => types.length === 0 || types.includes(type);
  const none = new Map<string, ReadonlySet<string>>();
  const images = wants("image")
    ? await engine.images.list({ all: true, filters: none, sharedSize: true })
    : [];
  const containers = wants("container")
    ? await engine.containers.list({ all: true, limit: 0, size: true, filters: none })
    : [];
  const users = await engine.containers.list({ all: true, limit: 0, size: false, filters: none });
  const volumes = wants("volume")
    ? await Promise.all(
        engine.volumes.list(none).map(async (volume) => ({
          ...volume,
          UsageData: {
            Size: await allocatedBytes(volume.Mountpoint),
            RefCount: users.filter(({ Mounts }) => Mounts.some(({ Name }) => Name === volume.Name)).length,
          },
        })),
      )
    : [];
  const records = wants("build-cache") ? await engine.builds.cacheRecords() : [];
  const cache = records.map(describeRecord);
  return {
    LayersSize: wants("image") ? engine.images.layerBytes() : 0,
    Images: images,
    Containers: containers,
    Volumes: volumes,
    BuildCache: cache,
    BuilderSize: cache.reduce((sum, { Size, Shared }) => sum + (Shared ? 0 : Size), 0),
    ...(storage ? { Storage: await storageParts(dataRoot) } : {}),
  };
}

/** Each folder of the data root, the files beside them together. */
async function storageParts(dataRoot: string): Promise<StoragePart[]> {
  const total = await allocatedBytes(dataRoot);
  const folders = readdirSync(dataRoot, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const parts: StoragePart[] = [];
  for (const { name } of folders) {
    const path = join(dataRoot, name);
    parts.push({ Name: PARTS[name] ?? name, Path: path, Bytes: await allocatedBytes(path) });
  }
  const rest = total - parts.reduce((sum, { Bytes }) => sum + Bytes, 0);
  return [...parts, { Name: "Database and state of the engine", Path: dataRoot, Bytes: rest }];
}

import type { RegistryStorage } from "../storage/storage.ts";

/** Blobs considered at a time. */
const BATCH = 20;

/**
 * Make room in a cache under a quota: the blobs that nobody asked for longest go first, whatever names them, because
 * they can be fetched again. False when there is not that much room even in an empty cache.
 */
export function evictFor(bytes: number, { store, blobs, files, quota }: RegistryStorage): boolean {
  const { limitBytes } = quota;
  if (limitBytes === undefined) return true;
  const excess = () => {
    const { blobBytes, manifestBytes, uploadBytes } = quota.usage();
    return blobBytes + manifestBytes + uploadBytes + bytes - limitBytes;
  };
  while (excess() > 0) {
    const oldest = blobs.leastRecentlyUsed(BATCH);
    if (oldest.length === 0) return false;
    for (const digest of oldest) {
      if (excess() <= 0) break;
      store.transaction(() => blobs.forgetEverywhere(digest));
      // The row is gone before the file, as everywhere: a crash in between leaves a file for the next collection.
      store.transaction(() => {
        if (!blobs.isKnown(digest)) files.remove(digest);
      });
    }
  }
  return true;
}

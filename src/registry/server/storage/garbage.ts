import type { BlobDigest } from "../names.ts";
import type { RegistryTables } from "./storage.ts";

export interface GarbageOptions {
  /** Nothing younger goes: a push uploads its blobs before the manifest that names them. */
  readonly graceMs: number;
  /** Remove manifests, too, that no tag, index or subject leads to. */
  readonly untagged: boolean;
}

/** What a collection removed. */
export interface Collected {
  readonly manifests: number;
  readonly blobs: number;
  readonly bytes: number;
}

/** Files looked at under one lock of the database. */
const FILES_AT_A_TIME = 64;

/**
 * Mark and sweep, safe beside a running server and against a crash at any point, in this process or another.
 * First rows: manifests nothing leads to (if asked for), blobs taken from repositories where no manifest names them,
 * blobs of no repository. Then files: each one without a row goes, the look and the removal under the database's write
 * lock; whoever brings a blob in writes its row first. A crash in between leaves files without rows, for the next run.
 */
export async function collectGarbage(
  { store, blobs, files, repositories, manifests }: RegistryTables,
  { graceMs, untagged }: GarbageOptions,
  signal: AbortSignal,
): Promise<Collected> {
  const before = Date.now() - graceMs;
  const removedManifests = untagged ? store.transaction(() => manifests.deleteUntagged(before)) : 0;
  store.transaction(() => blobs.unlinkUnreferenced(before));
  let removedBlobs = 0;
  let bytes = 0;
  for (const digest of blobs.unlinked(before)) {
    if (signal.aborted) break;
    const freed = store.transaction(() => blobs.forgetUnlinked(digest));
    if (freed > 0) removedBlobs++;
    bytes += freed;
  }
  store.transaction(() => repositories.removeEmpty(before));
  await sweepFiles({ store, blobs, files }, signal);
  return { manifests: removedManifests, blobs: removedBlobs, bytes };
}

async function sweepFiles(
  { store, blobs, files }: Pick<RegistryTables, "store" | "blobs" | "files">,
  signal: AbortSignal,
): Promise<void> {
  let batch: BlobDigest[] = [];
  for await (const digest of files.list()) {
    if (signal.aborted) return;
    if (blobs.isKnown(digest)) continue;
    batch.push(digest);
    if (batch.length < FILES_AT_A_TIME) continue;
    remove(batch);
    batch = [];
  }
  remove(batch);

  function remove(unknown: readonly BlobDigest[]): void {
    store.transaction(() => {
      for (const digest of unknown) if (!blobs.isKnown(digest)) files.remove(digest);
    });
  }
}

import type { ImageContext } from "./context.ts";
import type { Lease } from "./leases.ts";

/**
 * Remove the blobs and layers that nothing speaks for: no image, no writable layer, no lease, no other service
 * (`roots`). Each is checked in the same turn in which it is removed, so work that begins meanwhile is safe.
 * Returns the chainIDs of the removed layers, topmost first.
 */
export async function collectGarbage(context: ImageContext): Promise<string[]> {
  const kept = (digest: string) => context.leases.isHeld(digest) || context.roots().has(digest);
  const removed: string[] = [];
  for (const { chainId } of context.snapshotter.listLayers()) {
    if (kept(chainId) || context.table.isChainUsed(chainId) || context.snapshotter.isLayerUsed(chainId))
      continue;
    await context.snapshotter.removeLayer(chainId);
    removed.push(chainId);
  }
  for (const { digest } of await context.content.list()) {
    if (kept(digest) || context.table.isBlobUsed(digest) || context.table.isWanted(digest)) continue;
    context.table.forgetSources(digest);
    await context.content.delete(digest);
  }
  return removed;
}

/** Do work that brings in blobs and layers under a lease; when it fails, what it brought is removed again. */
export async function underLease<T>(context: ImageContext, work: (lease: Lease) => Promise<T>): Promise<T> {
  using lease = context.leases.take();
  try {
    return await work(lease);
  } catch (error) {
    lease[Symbol.dispose]();
    await collectGarbage(context);
    throw error;
  }
}

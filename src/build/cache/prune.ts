import { createHash } from "node:crypto";
import { folderBytes } from "../../snapshot/index.ts";
import type { BuildContext } from "../dependencies.ts";
import type { CacheRecord, PruneOptions } from "../service.ts";
import type { CachedStep } from "./table.ts";

/** What the cache keeps, least recently used first: results of steps, and the folders of cache mounts. */
export async function cacheRecords(context: BuildContext): Promise<CacheRecord[]> {
  const steps = context.cache.list();
  const owners = new Map<string, string>();
  for (const { key, layer } of steps) if (layer !== undefined) owners.set(layer.chainId, key);
  const mounts = await Promise.all(
    context.cacheMounts.list().map(
      async ({ id, name, folder, createdAtMs, usedAtMs, useCount, inUse }): Promise<CacheRecord> => ({
        id,
        type: "exec.cachemount",
        description: `cache mount ${name}`,
        sizeBytes: await folderBytes(folder),
        createdAtMs,
        lastUsedAtMs: usedAtMs,
        useCount,
        inUse,
        shared: false,
        parents: [],
        origin: "",
      }),
    ),
  );
  const records = steps.map((step): CacheRecord => describeStep(context, step, owners));
  const contexts = context.contextFiles.list().map(
    ({ name, sizeBytes, createdAtMs, usedAtMs, useCount }): CacheRecord => ({
      id: contextId(name),
      type: "source.local",
      description: `files of the build context ${name}`,
      sizeBytes,
      createdAtMs,
      lastUsedAtMs: usedAtMs,
      useCount,
      inUse: false,
      shared: false,
      parents: [],
      origin: "",
    }),
  );
  return [...records, ...mounts, ...contexts].sort((a, b) => a.lastUsedAtMs - b.lastUsedAtMs);
}

const contextId = (name: string): string =>
  createHash("sha256").update(`context ${name}`).digest("hex").slice(0, 25);

function describeStep(
  context: BuildContext,
  step: CachedStep,
  owners: ReadonlyMap<string, string>,
): CacheRecord {
  const { key, layer, parentChainId, description, createdAtMs, usedAtMs, useCount } = step;
  const parent = parentChainId === undefined ? undefined : owners.get(parentChainId);
  return {
    id: key.slice(0, 25),
    type: "regular",
    description,
    sizeBytes: layer?.sizeBytes ?? 0,
    createdAtMs,
    lastUsedAtMs: usedAtMs,
    useCount,
    inUse: false,
    shared: layer !== undefined && context.isChainOfImage(layer.chainId),
    parents: parent === undefined ? [] : [parent.slice(0, 25)],
    origin: step.origin,
  };
}

/**
 * Remove records. Without `all` those stay that an image shares: they free nothing. With a size to keep, least recently used
 * ones go until what is left fits.
 */
export async function prune(
  context: BuildContext,
  options: PruneOptions,
): Promise<{ deleted: CacheRecord[]; reclaimedBytes: number }> {
  const all = await cacheRecords(context);
  const now = Date.now();
  let left = all.reduce((sum, record) => sum + (record.shared ? 0 : record.sizeBytes), 0);
  const deleted: CacheRecord[] = [];
  for (const record of all) {
    if (options.keepBytes !== undefined && left <= options.keepBytes) break;
    if (record.inUse || now - record.lastUsedAtMs < options.unusedForMs) continue;
    if (record.shared && !options.all) continue;
    if (options.ids.length > 0 && !options.ids.some((id) => record.id.startsWith(id))) continue;
    if (!record.shared) left -= record.sizeBytes;
    deleted.push(record);
  }
  const reclaimedBytes = deleted.reduce((sum, record) => sum + (record.shared ? 0 : record.sizeBytes), 0);
  if (options.dryRun || deleted.length === 0) return { deleted, reclaimedBytes };
  const doomed = new Set(deleted.map(({ id }) => id));
  context.store.transaction(() => {
    for (const { key } of context.cache.list()) if (doomed.has(key.slice(0, 25))) context.cache.delete(key);
  });
  for (const mount of context.cacheMounts.list())
    if (doomed.has(mount.id)) await context.cacheMounts.remove(mount);
  for (const { name } of context.contextFiles.list())
    if (doomed.has(contextId(name))) context.contextFiles.remove(name);
  await context.images.collectGarbage();
  return { deleted, reclaimedBytes };
}

/** After a build: the cache's ceiling is obeyed, whatever that costs the next build. */
export async function pruneToLimit(context: BuildContext): Promise<void> {
  const steps = context.cache.list().reduce((sum, { layer }) => sum + (layer?.sizeBytes ?? 0), 0);
  const files = context.contextFiles.list().reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  // Cache mounts are measured by walking them: only when they can matter.
  if (steps + files < context.cacheLimitBytes && context.cacheMounts.list().length === 0) return;
  const options = { all: false, unusedForMs: 0, keepBytes: context.cacheLimitBytes, ids: [], dryRun: false };
  const { deleted, reclaimedBytes } = await prune(context, options);
  if (deleted.length > 0)
    context.log.info(`build cache: ${deleted.length} records removed, ${reclaimedBytes} bytes freed`);
}

import type { BuildCacheRecord } from "../../wire/index.ts";
import type { CacheRecord } from "../service.ts";

/** A record of the cache as `GET /build/cache` and `GET /system/df` tell it (API 1.51, BuildCache). */
export const describeRecord = (record: CacheRecord): BuildCacheRecord => ({
  ID: record.id,
  Type: record.type,
  Description: record.description,
  InUse: record.inUse,
  Shared: record.shared,
  Size: record.sizeBytes,
  CreatedAt: new Date(record.createdAtMs).toISOString(),
  LastUsedAt: new Date(record.lastUsedAtMs).toISOString(),
  UsageCount: record.useCount,
  Parents: [...record.parents],
  ...(record.origin === "" ? {} : { Origin: record.origin }),
});

import type { Target } from "../http/target.ts";
import type { Registry } from "../registry.ts";
import { baseRoutes, catalogRoutes } from "./base.ts";
import { blobRoutes } from "./blobs.ts";
import { healthRoutes } from "./health.ts";
import { manifestRoutes } from "./manifests.ts";
import { metricsRoutes } from "./metrics.ts";
import { referrerRoutes } from "./referrers.ts";
import type { Routes } from "./route.ts";
import { searchPingRoutes, searchRoutes } from "./search.ts";
import { tagRoutes } from "./tags.ts";
import { openUploadRoutes, uploadRoutes } from "./uploads.ts";

/** What can be done with a target, by method. */
export function routesOf(registry: Registry, target: Target): Routes {
  switch (target.kind) {
    case "base":
      return baseRoutes();
    case "catalog":
      return catalogRoutes(registry);
    case "health":
      return healthRoutes(registry);
    case "metrics":
      return metricsRoutes(registry);
    case "search-ping":
      return searchPingRoutes();
    case "search":
      return searchRoutes(registry);
    case "manifest":
      return manifestRoutes(registry, target.repository, target.reference);
    case "blob":
      return blobRoutes(registry, target.repository, target.digest);
    case "uploads":
      return openUploadRoutes(registry, target.repository);
    case "upload":
      return uploadRoutes(registry, target.repository, target.id);
    case "tags":
      return tagRoutes(registry, target.repository);
    case "referrers":
      return referrerRoutes(registry, target.repository, target.digest);
  }
}

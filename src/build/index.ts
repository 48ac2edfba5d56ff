export { describeRecord } from "./cache/describe.ts";
export { buildMigrations } from "./cache/table.ts";
export { createBuildService, type OwnedBuildService } from "./create-service.ts";
export type { BuildServiceOptions } from "./dependencies.ts";
export { type BuildEvent, StepError, type StepInfo } from "./events.ts";
export { BuildFailure } from "./failure.ts";
export type { Finding } from "./finding.ts";
export type {
  BuildHistoryEntry,
  BuildRequest,
  BuildService,
  CacheMode,
  CacheRecord,
  CacheSource,
  CacheTarget,
  CheckReport,
  ContextSource,
  OfferedSecrets,
  ProvenanceMode,
  PruneOptions,
} from "./service.ts";

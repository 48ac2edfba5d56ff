export { BUILTIN_NAMES, type BuiltinSources, writeBuiltinImages } from "./builtins/index.ts";
export type { BuiltinImage } from "./context.ts";
export { createImageService, type ImageServiceOptions, type LocalImageService } from "./create-service.ts";
export { chainIdsOf, type HistoryEntry, type ImageDocument, parseImageConfig } from "./image-config.ts";
export type { Lease } from "./leases.ts";
export { imageMigrations } from "./migrations.ts";
export type { WantedLayer } from "./pull/bring-layer.ts";
export type {
  AssembledImage,
  CommitRequest,
  ImageService,
  ImageUse,
  ImportOptions,
  PullOptions,
  PushOptions,
  ResolvedImage,
} from "./service.ts";
export type { ImageLayer } from "./table.ts";

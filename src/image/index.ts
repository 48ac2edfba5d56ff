export { BUILTIN_NAMES, type BuiltinSources, builtinImagesIn, writeBuiltinImages } from "./builtins/index.ts";
export type { BuiltinImage } from "./context.ts";
export { createImageService, type ImageServiceOptions, type LocalImageService } from "./create-service.ts";
export { imageMigrations } from "./migrations.ts";
export type { ImageService, ImageUse, ImportOptions, ResolvedImage } from "./service.ts";

export { createVolumeService, type VolumeServiceOptions } from "./create-service.ts";
export type * from "./service.ts";
export { migrations } from "./table.ts";

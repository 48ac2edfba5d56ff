export { createVolumeService, type VolumeServiceOptions } from "./create-service.ts";
export { isMountVolume, limitOf } from "./local-mount.ts";
export type * from "./service.ts";
export { migrations } from "./table.ts";

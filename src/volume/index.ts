export { createVolumeService, type VolumeServiceOptions } from "./create-service.ts";
export { isMountVolume } from "./local-mount.ts";
export type * from "./service.ts";
export { migrations } from "./table.ts";

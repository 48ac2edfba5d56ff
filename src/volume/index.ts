export { createVolumeService, migrations } from "./local.ts";
export type * from "./service.ts";

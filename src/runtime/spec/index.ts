export { DEFAULT_DEVICE_RULES, DEFAULT_DEVICES, type Device, type DeviceRule } from "./devices.ts";
export type * from "./types.ts";

export { applyEdits } from "./apply.ts";
export { hooksByName, planDeviceHooks } from "./hooks.ts";
export { type CdiRegistry, createCdiRegistry } from "./registry.ts";

export { applyEdits } from "./apply.ts";
export { type CdiRegistry, createCdiRegistry } from "./registry.ts";

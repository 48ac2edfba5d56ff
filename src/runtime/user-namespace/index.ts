export { type RemapFiles, remapOf } from "./remap.ts";
export { parseSubordinateIds, type SubordinateRange, subordinateRanges } from "./subordinate.ts";

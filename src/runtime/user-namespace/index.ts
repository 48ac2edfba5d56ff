export { type RemapFiles, remapOf } from "./remap.ts";
export { createStoredOwners, type StoredOwners } from "./stored-owners.ts";
export { parseSubordinateIds, type SubordinateRange, subordinateRanges } from "./subordinate.ts";

export { type CgroupLayout, cgroupVersion, readCgroupLayout } from "./layout.ts";
export { cgroupJoins, cgroupOperations, prepareCgroupParent } from "./operations.ts";

export { type CgroupLayout, cgroupVersion, readCgroupLayout } from "./layout.ts";
export { cgroupJoins, cgroupOperations, prepareCgroupParent, removeCgroupParent } from "./operations.ts";

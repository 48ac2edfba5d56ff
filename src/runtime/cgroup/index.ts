export { type ControlGroup, controlGroup } from "./control.ts";
export {
  type DelegatedGroup,
  delegatedTo,
  enterDelegated,
  findDelegated,
  leaveDelegated,
} from "./delegated.ts";
export { destroyGroup } from "./destroy.ts";
export { weightKeeper } from "./disk-weights.ts";
export {
  type CgroupFolder,
  type CgroupLayout,
  cgroupVersion,
  hasGroups,
  readCgroupLayout,
} from "./layout.ts";
export { blkioToIoWeight, sharesToWeight } from "./limits.ts";
export type { LimitInForce } from "./limits-in-force.ts";
export { cgroupMounts } from "./mounts.ts";
export {
  cgroupJoins,
  cgroupOperations,
  oomWatch,
  prepareCgroupParent,
  removeCgroupParent,
} from "./operations.ts";
export { type CgroupPlacement, cgroupfsPlacement, type ScopeName } from "./placement.ts";
export { giveRealtime, type RealtimeBudget } from "./realtime.ts";
export type * from "./statistics.ts";
export { type LimitSupport, limitSupport } from "./support.ts";

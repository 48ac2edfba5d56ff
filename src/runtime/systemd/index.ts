export { withScopes } from "./launcher.ts";
export { type ManagerAddress, SYSTEM_MANAGER } from "./manager.ts";
export { openScopes, type Scopes, unitOf } from "./scopes.ts";
export { isSlice } from "./slice.ts";
export { moveBelowUserManager, ownGroup, userManager } from "./user-manager.ts";

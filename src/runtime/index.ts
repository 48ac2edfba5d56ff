export type * from "./plan/index.ts";
export { decodePlan, encodePlan, meaningOf, OPERATIONS } from "./plan/index.ts";
export { createTaskLauncher, LaunchError, type TaskLauncherOptions } from "./task/index.ts";
export type * from "./task.ts";

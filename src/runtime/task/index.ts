export { LaunchError } from "./launch-error.ts";
export { createTaskLauncher, type TaskLauncherOptions } from "./launcher.ts";

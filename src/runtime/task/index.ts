export { errnoName, LaunchError, launchErrorOf } from "./launch-error.ts";
export {
  createTaskLauncher,
  type DirectLaunch,
  type InheritedDescriptors,
  launchDirectly,
  type TaskLauncherOptions,
} from "./launcher.ts";

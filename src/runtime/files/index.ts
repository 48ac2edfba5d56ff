export {
  createFileCopier,
  type FileCopier,
  type FilesView,
  type PathStatus,
  type UnpackOptions,
} from "./container-files.ts";
export { findIdentity } from "./identity.ts";

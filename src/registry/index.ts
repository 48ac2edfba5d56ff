export type { Credentials } from "./authorize.ts";
export { openRepository, type Repository, type RepositoryAddress } from "./client.ts";
export {
  type Descriptor,
  digestOf,
  type ImageIndex,
  type ImageManifest,
  type Platform,
  parseManifest,
  selectPlatform,
} from "./manifest.ts";

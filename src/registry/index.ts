export { openRepository, type RemoteManifest, type Repository, type RepositoryAddress } from "./client.ts";
export {
  type Accounts,
  type Credentials,
  credentialsOf,
  parseRegistryAuth,
  parseRegistryConfig,
} from "./credentials.ts";
export { type Download, download } from "./download.ts";
export { checkLogin } from "./login.ts";
export {
  type Descriptor,
  digestOf,
  type ImageIndex,
  type ImageManifest,
  isForeign,
  parseArtifact,
  parseManifest,
  selectPlatform,
} from "./manifest.ts";
export { RegistryNetwork, type RegistryNetworkOptions } from "./network.ts";
export { formatPlatform, hostPlatform, type Platform, parsePlatform, platformRank } from "./platform.ts";
export { type OutgoingBlob, openPushTarget, type PushTarget } from "./push.ts";
export { sendAlong } from "./redirect.ts";
export type { RetryPolicy } from "./retry.ts";
export { type MirrorRule, parseMirrorRule, type RegistryRules, readRegistryRules } from "./rules.ts";
export { type SearchHit, searchRegistry } from "./search.ts";
export { connectionWords } from "./transport.ts";

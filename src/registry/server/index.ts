export { type AccessControl, openAccess } from "./access/access.ts";
export { htpasswdAccess } from "./access/htpasswd.ts";
export { readTrustedKeys } from "./access/keys.ts";
export { tokenAccess } from "./access/token.ts";
export { DEFAULT_LIMITS } from "./limits.ts";
export type { UpstreamOptions } from "./proxy/upstream.ts";
export { openRegistryServer, type RegistryServer, type RegistryServerOptions } from "./server.ts";
export { type Collected, collectGarbage, type GarbageOptions } from "./storage/garbage.ts";
export { openTables } from "./storage/storage.ts";

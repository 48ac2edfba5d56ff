/** The Docker Engine API's objects about registries (API 1.51). Types only. */

/** Body of POST /auth. */
export interface AuthConfig {
  username?: string;
  password?: string;
  auth?: string;
  serveraddress?: string;
  identitytoken?: string;
  registrytoken?: string;
}

export interface AuthReply {
  Status: string;
  /** Empty: keep the password. */
  IdentityToken: string;
}

export interface SearchResult {
  star_count: number;
  is_official: boolean;
  name: string;
  is_automated: boolean;
  description: string;
}

export interface DistributionInspect {
  Descriptor: { mediaType: string; digest: string; size: number };
  Platforms: { os: string; architecture: string; variant?: string }[];
}

import { verify } from "node:crypto";
import { type Access, type AccessControl, type Identity, unauthorized } from "./access.ts";
import type { TrustedKey } from "./keys.ts";

export interface TokenOptions {
  /** Where clients get tokens: the URL of the token server. */
  readonly realm: string;
  /** This registry's name at the token server: what a token's "aud" must hold. */
  readonly service: string;
  /** What a token's "iss" must be. */
  readonly issuer: string;
  readonly keys: readonly TrustedKey[];
}

/** The clocks of two machines may differ by so much. */
const LEEWAY_S = 60;
const MAX_TOKEN_LENGTH = 16 * 1024;

/**
 * Bearer tokens of a token server, as docker/distribution defined them (docs/spec/auth/jwt.md): a JSON web token whose
 * "access" lists resources with actions.
 */
export function tokenAccess(options: TokenOptions): AccessControl {
  const quote = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
  const base = `Bearer realm=${quote(options.realm)},service=${quote(options.service)}`;

  function challenge(needed: Access | undefined, error?: string): string {
    const scope = needed === undefined ? "" : `,scope=${quote(scopeOf(needed))}`;
    return `${base}${scope}${error === undefined ? "" : `,error="${error}"`}`;
  }

  return {
    async identify(authorization, needed): Promise<Identity> {
      const [, text] = /^Bearer +([A-Za-z0-9._-]+)$/i.exec(authorization ?? "") ?? [];
      if (text === undefined) throw unauthorized(challenge(needed), needed);
      const claims = verifyToken(text, options);
      if (claims === undefined) {
        throw unauthorized(challenge(needed, "invalid_token"), needed, "the token is not valid");
      }
      const identity: Identity = { name: claims.subject, may: (access) => grants(claims.access, access) };
      if (needed !== undefined && !identity.may(needed)) {
        throw unauthorized(
          challenge(needed, "insufficient_scope"),
          needed,
          "requested access to the resource is denied",
        );
      }
      return identity;
    },
  };
}

const scopeOf = (access: Access) =>
  "catalog" in access ? "registry:catalog:*" : `repository:${access.repository}:${access.actions.join(",")}`;

interface Grant {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

function grants(granted: readonly Grant[], access: Access): boolean {
  const [type, name, actions] =
    "catalog" in access ? ["registry", "catalog", ["*"]] : ["repository", access.repository, access.actions];
  const allowed = granted
    .filter((grant) => grant.type === type && grant.name === name)
    .flatMap((grant) => grant.actions);
  return actions.every((action) => allowed.includes(action) || allowed.includes("*"));
}

interface Claims {
  readonly subject: string;
  readonly access: readonly Grant[];
}

/** The claims of a token that is signed by a trusted key, meant for us and valid now; undefined for any other. */
function verifyToken(text: string, { keys, issuer, service }: TokenOptions): Claims | undefined {
  const [head = "", body = "", signature = "", ...more] = text.split(".");
  if (text.length > MAX_TOKEN_LENGTH || more.length > 0) return undefined;
  const header = parseObject(head);
  // The algorithm is the key's, never the token's choice: "none", or HS256 keyed with the public key, finds no key.
  const fitting = keys.filter(
    ({ id, algorithm }) =>
      algorithm === header?.alg && (header.kid === undefined || id === undefined || id === header.kid),
  );
  const signed = Buffer.from(`${head}.${body}`);
  const proof = Buffer.from(signature, "base64url");
  // dsaEncoding is looked at for ECDSA only.
  if (!fitting.some(({ key }) => verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, proof)))
    return undefined;
  const claims = parseObject(body);
  if (claims === undefined) return undefined;
  const now = Date.now() / 1000;
  const audience = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  const valid =
    claims.iss === issuer &&
    audience.includes(service) &&
    typeof claims.exp === "number" &&
    claims.exp + LEEWAY_S > now &&
    (claims.nbf === undefined || (typeof claims.nbf === "number" && claims.nbf - LEEWAY_S <= now));
  if (!valid) return undefined;
  return {
    subject: typeof claims.sub === "string" ? claims.sub : "",
    access: Array.isArray(claims.access) ? claims.access.flatMap(parseGrant) : [],
  };
}

function parseGrant(value: unknown): Grant[] {
  if (typeof value !== "object" || value === null) return [];
  if (!("type" in value && "name" in value && "actions" in value)) return [];
  const { type, name, actions } = value;
  if (typeof type !== "string" || typeof name !== "string" || !Array.isArray(actions)) return [];
  return [{ type, name, actions: actions.filter((action) => typeof action === "string") }];
}

function parseObject(encoded: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(encoded, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { invalid, messageOf } from "../../../errors/index.ts";

/** A token server's public key. */
export interface TrustedKey {
  /** Name of the key in a JSON web key set; undefined fits every token. */
  readonly id: string | undefined;
  readonly key: KeyObject;
  readonly algorithm: "RS256" | "ES256";
}

/**
 * Keys out of a file: PEM public keys or certificates, one or several, or a JSON web key (set) (RFC 7517). Throws
 * invalid for a file without keys, and for keys of other kinds than RSA (2048 bits or more) and P-256.
 */
export function readTrustedKeys(file: string): TrustedKey[] {
  const text = readFileSync(file, "utf8");
  const keys = text.trimStart().startsWith("{") ? keysOfSet(text, file) : keysOfPem(text, file);
  if (keys.length === 0) throw invalid(`${file} holds no public key`);
  return keys;
}

function keysOfPem(text: string, file: string): TrustedKey[] {
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  return blocks.map((pem) => {
    if (pem.includes("PRIVATE KEY"))
      throw invalid(`${file} holds a private key; the registry needs the public one`);
    return trusted(undefined, () => createPublicKey(pem), file);
  });
}

function keysOfSet(text: string, file: string): TrustedKey[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${file} is neither PEM nor JSON`, { cause });
  }
  const listed =
    typeof value === "object" && value !== null && "keys" in value && Array.isArray(value.keys)
      ? value.keys
      : [value];
  return listed.map((key: unknown) => {
    if (typeof key !== "object" || key === null) throw invalid(`${file} holds a key that is no JSON object`);
    const id = "kid" in key && typeof key.kid === "string" ? key.kid : undefined;
    return trusted(id, () => createPublicKey({ key: { ...key }, format: "jwk" }), file);
  });
}

function trusted(id: string | undefined, read: () => KeyObject, file: string): TrustedKey {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw invalid(`${file} holds a key that cannot be read: ${messageOf(cause)}`, { cause });
  }
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "rsa" && modulusLength >= 2048) return { id, key, algorithm: "RS256" };
  if (key.asymmetricKeyType === "ec" && namedCurve === "prime256v1") return { id, key, algorithm: "ES256" };
  throw invalid(`${file} holds a key that is neither RSA of 2048 bits or more nor ECDSA on P-256`);
}

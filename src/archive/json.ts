import { invalid, messageOf } from "../errors/index.ts";

/** Documents of images come from strangers: each is parsed once into known shapes, with the place of a fault named. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function parseJson(bytes: Uint8Array | string, what: string): unknown {
  try {
    return JSON.parse(typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw invalid(`invalid ${what}: ${messageOf(cause)}`, { cause });
  }
}

export function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(`invalid ${what}: not an object`);
  }
  return { ...value };
}

/** null and absence are the empty list, as Go's encoder writes one. */
export function asArray(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`invalid ${what}: not a list`);
  return value;
}

export function asString(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`invalid ${what}: not a string`);
  return value;
}

export function asStrings(value: unknown, what: string): string[] {
  return asArray(value, what).map((item) => asString(item, what));
}

export function optionalString(value: unknown, what: string): string | undefined {
  return value === undefined || value === null ? undefined : asString(value, what);
}

export function asSize(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(`invalid ${what}: not a size`);
  }
  return value;
}

/** A map of strings; undefined for absence and null. */
export function optionalStringMap(value: unknown, what: string): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const map: Record<string, string> = {};
  for (const [key, item] of Object.entries(asObject(value, what))) map[key] = asString(item, what);
  return map;
}

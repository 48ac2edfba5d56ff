import { invalid } from "../../errors/index.ts";

/**
 * Small readers that turn one unknown JSON value into a typed one, or throw invalid naming the field. An absent or
 * null field is what Go makes of it: the zero value.
 */
export type JsonObject = Readonly<Record<string, unknown>>;

const wrong = (field: string, wanted: string) =>
  invalid(`json: cannot unmarshal field ${field}: must be ${wanted}`);

export function object(value: unknown, field: string): JsonObject {
  if (value === undefined || value === null) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as JsonObject;
  throw wrong(field, "an object");
}

export function string(from: JsonObject, field: string): string {
  const value = from[field];
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw wrong(field, "a string");
}

export function boolean(from: JsonObject, field: string): boolean {
  const value = from[field];
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw wrong(field, "true or false");
}

/** Numbers are read as doubles, so the largest int64 has become the next power of two. */
const MAX_INT64 = 2 ** 63;

export function integer(from: JsonObject, field: string): number {
  const value = from[field];
  if (value === undefined || value === null) return 0;
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= MAX_INT64) return value;
  throw wrong(field, "a whole number of 64 bits");
}

export function optional<T>(
  from: JsonObject,
  field: string,
  read: (from: JsonObject, field: string) => T,
): T | undefined {
  return from[field] === undefined || from[field] === null ? undefined : read(from, field);
}

/** The field under its name, or nothing at all: for types whose fields may be absent but not undefined. */
export function maybe<K extends string, T>(
  from: JsonObject,
  field: K,
  read: (from: JsonObject, field: string) => T,
): { [key in K]?: T } {
  const value = optional(from, field, read);
  return (value === undefined ? {} : { [field]: value }) as { [key in K]?: T };
}

export function list<T>(
  from: JsonObject,
  field: string,
  read: (from: JsonObject, field: string) => T,
): T[] | null {
  const value = from[field];
  if (value === undefined || value === null) return null;
  if (!Array.isArray(value)) throw wrong(field, "a list");
  return value.map((item) => read({ [field]: item }, field));
}

export const strings = (from: JsonObject, field: string): string[] | null => list(from, field, string);

/** A command: one string counts as a list of one (Go's strslice.StrSlice in Docker's API). */
export function words(from: JsonObject, field: string): string[] | null {
  return typeof from[field] === "string" ? [string(from, field)] : strings(from, field);
}

export function objects<T>(from: JsonObject, field: string, read: (item: JsonObject) => T): T[] | null {
  return list(from, field, (one) => read(object(one[field], field)));
}

export function map<T>(
  from: JsonObject,
  field: string,
  read: (from: JsonObject, field: string) => T,
): Record<string, T> {
  const items = object(from[field], field);
  return Object.fromEntries(Object.keys(items).map((key) => [key, read(items, key)]));
}

/** A set in Go's spelling: keys with empty objects. */
export const keys = (from: JsonObject, field: string): Record<string, Record<string, never>> =>
  map(from, field, () => ({}));

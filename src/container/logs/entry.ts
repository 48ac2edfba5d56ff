import { formatTimestampFixed, parseRfc3339 } from "../../units/index.ts";

/** One entry of a json-file log, decoded. */
export interface LogEntry {
  readonly stream: "stdout" | "stderr";
  readonly log: string;
  /** Nine decimals and UTC, so that times compare as text. */
  readonly time: string;
  readonly attrs: Readonly<Record<string, string>>;
}

/**
 * Decode a line by the book: any order of keys, attributes, any zone. Undefined for what is no entry (torn by a full
 * disk or a crash); a log with a bad line stays readable.
 */
export function parseEntry(line: string): LogEntry | undefined {
  const value = parseObject(line);
  if (value === undefined || typeof value.log !== "string" || typeof value.time !== "string")
    return undefined;
  const ns = parseRfc3339(value.time);
  if (ns === undefined || (value.stream !== "stdout" && value.stream !== "stderr")) return undefined;
  return {
    stream: value.stream,
    log: value.log,
    time: formatTimestampFixed(ns),
    attrs: stringsOf(value.attrs),
  };
}

/** Attributes as `details` shows them: sorted "key=value", form-encoded, joined with commas. */
export function formatAttributes(attrs: Readonly<Record<string, string>>): string {
  return Object.keys(attrs)
    .sort()
    .map((key) => `${encode(key)}=${encode(attrs[key] ?? "")}`)
    .join(",");
}

const encode = (text: string) =>
  encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");

function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function stringsOf(value: unknown): Record<string, string> {
  const strings: Record<string, string> = {};
  if (!isObject(value)) return strings;
  for (const [key, text] of Object.entries(value)) if (typeof text === "string") strings[key] = text;
  return strings;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

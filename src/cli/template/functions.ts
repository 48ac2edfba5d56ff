import { NIL_POINTER } from "./nil.ts";
import { TemplateError } from "./template-error.ts";

/** Functions of text/template and those that Docker adds to it. */
export const FUNCTIONS: Readonly<Record<string, (...args: unknown[]) => unknown>> = {
  // Bigints are numbers too large to be exact otherwise.
  json: (value) =>
    JSON.stringify(value ?? null, (_key, item: unknown) =>
      typeof item === "bigint" ? JSON.rawJSON(String(item)) : item,
    ),
  join: (values, separator) =>
    items(values)
      .map(formatValue)
      .join(String(separator ?? "")),
  split: (text, separator) => String(text).split(String(separator)),
  lower: (text) => String(text).toLowerCase(),
  upper: (text) => String(text).toUpperCase(),
  title: (text) => String(text).replace(/(^|\s)\p{L}/gu, (letter) => letter.toUpperCase()),
  truncate: (text, length) => [...String(text)].slice(0, Number(length)).join(""),
  pad: (text, before, after) =>
    text === "" ? "" : `${" ".repeat(Number(before))}${String(text)}${" ".repeat(Number(after))}`,
  println: (...values) => `${values.map(formatValue).join(" ")}\n`,
  print: (...values) => values.map(formatValue).join(""),
  printf: (format, ...values) => printf(String(format), values),
  len: (value) =>
    typeof value === "string" || Array.isArray(value) ? value.length : Object.keys(Object(value)).length,
  index,
  slice: (value, from = 0, to = undefined) => {
    const end = to === undefined ? undefined : Number(to);
    return typeof value === "string" ? value.slice(Number(from), end) : items(value).slice(Number(from), end);
  },
  eq: (first, ...others) => others.some((other) => first === other),
  ne: (first, second) => first !== second,
  lt: (first, second) => compare(first, second) < 0,
  le: (first, second) => compare(first, second) <= 0,
  gt: (first, second) => compare(first, second) > 0,
  ge: (first, second) => compare(first, second) >= 0,
  not: (value) => !isTrue(value),
  and: (...values) => values.find((value) => !isTrue(value)) ?? values.at(-1),
  or: (...values) => values.find(isTrue) ?? values.at(-1),
};

/** Empty values are false: false, 0, nil, and strings, lists and maps of length zero. */
export function isTrue(value: unknown): boolean {
  if (value === null || value === undefined) return false;
  if (typeof value === "string" || Array.isArray(value)) return value.length > 0;
  if (typeof value === "object") return Object.keys(value).length > 0;
  return Boolean(value);
}

/** What Go's %v prints of a value that came as JSON. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return "<no value>";
  if (value === NIL_POINTER) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(formatInner).join(" ")}]`;
  if (typeof value === "object") {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([key, item]) => `${key}:${formatInner(item)}`).join(" ")}]`;
  }
  return String(value);
}

const formatInner = (value: unknown): string =>
  value === null || value === undefined ? "<nil>" : formatValue(value);

function items(value: unknown): unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new TemplateError(`wrong type of value: ${formatValue(value)} is no list`);
  return value;
}

function index(value: unknown, ...keys: unknown[]): unknown {
  let at = value;
  for (const key of keys) {
    if (at === null || at === undefined) throw new TemplateError("error calling index: index of untyped nil");
    if (Array.isArray(at) || typeof at === "string") {
      const place = Number(key);
      if (!Number.isInteger(place) || place < 0 || place >= at.length)
        throw new TemplateError(`error calling index: reflect: slice index out of range`);
      at = at[place];
    } else at = Object.hasOwn(Object(at), String(key)) ? Reflect.get(Object(at), String(key)) : undefined;
  }
  return at;
}

function compare(first: unknown, second: unknown): number {
  if (typeof first === "number" && typeof second === "number") return first - second;
  if (typeof first === "string" && typeof second === "string")
    return first < second ? -1 : Number(first > second);
  throw new TemplateError("incompatible types for comparison");
}

function printf(format: string, values: readonly unknown[]): string {
  let next = 0;
  return format.replace(
    /%([-+ 0#]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g,
    (_all, flags, width, precision, verb) => {
      if (verb === "%") return "%";
      if (next >= values.length) return `%!${verb}(MISSING)`;
      let text = verbOf(verb, values[next++], precision === undefined ? undefined : Number(precision));
      if (width !== undefined) {
        const count = Number(width);
        text = String(flags).includes("-")
          ? text.padEnd(count)
          : text.padStart(count, String(flags).includes("0") ? "0" : " ");
      }
      return text;
    },
  );
}

function verbOf(verb: string, value: unknown, precision: number | undefined): string {
  switch (verb) {
    case "d":
      return String(Math.trunc(Number(value)));
    case "f":
      return Number(value).toFixed(precision ?? 6);
    case "x":
      return typeof value === "number" ? value.toString(16) : Buffer.from(String(value)).toString("hex");
    case "q":
      return JSON.stringify(String(value));
    default: {
      const text = formatValue(value);
      return precision === undefined ? text : text.slice(0, precision);
    }
  }
}

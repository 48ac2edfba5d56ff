import { DockerfileError } from "./dockerfile-error.ts";
import type { Location } from "./location.ts";

/** Flags of an instruction and what comes after them. */
export interface Flags {
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly rest: string;
}

/** `bool` flags may stand without a value; `list` flags may be repeated. */
export type FlagKinds = Readonly<Record<string, "string" | "bool" | "list">>;

/** Take the `--name[=value]` words off the front. Throws DockerfileError for unknown, repeated and malformed ones. */
export function takeFlags(
  text: string,
  escapeChar: string,
  kinds: FlagKinds,
  instruction: string,
  location: Location,
): Flags {
  const { words, rest } = flagWords(text, escapeChar);
  const values = new Map<string, string[]>();
  for (const word of words) {
    const equals = word.indexOf("=");
    const name = word.slice(2, equals < 0 ? undefined : equals);
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) {
      const known = Object.keys(kinds)
        .map((flag) => `--${flag}`)
        .join(", ");
      throw new DockerfileError(
        location,
        `unknown flag: --${name}`,
        known === "" ? `${instruction} without flags` : known,
      );
    }
    if (values.has(name) && kind !== "list")
      throw new DockerfileError(location, `duplicate flag specified: --${name}`);
    if (equals < 0 && kind !== "bool")
      throw new DockerfileError(location, `missing a value on flag: --${name}`);
    const value = equals < 0 ? "true" : word.slice(equals + 1);
    if (kind === "bool" && !/^(true|false)$/i.test(value)) {
      throw new DockerfileError(location, `expecting boolean value for flag --${name}, not: ${value}`);
    }
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return { values, rest };
}

export const flagValue = ({ values }: Flags, name: string): string => values.get(name)?.[0] ?? "";
export const isSet = ({ values }: Flags, name: string): boolean =>
  values.get(name)?.[0]?.toLowerCase() === "true";

/** The leading words that begin with "--", quotes and escapes taken off; a lone "--" ends them. */
function flagWords(text: string, escapeChar: string): { words: string[]; rest: string } {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (/\s/.test(text.charAt(at))) at++;
    if (!text.startsWith("--", at)) return { words, rest: text.slice(at) };
    let word = "";
    let quote = "";
    for (; at < text.length && (quote !== "" || !/\s/.test(text.charAt(at))); at++) {
      const char = text.charAt(at);
      if (quote === "" && (char === "'" || char === '"')) quote = char;
      else if (char === quote) quote = "";
      else if (char === escapeChar && at + 1 < text.length) word += text.charAt(++at);
      else word += char;
    }
    if (word === "--") return { words, rest: text.slice(at).trimStart() };
    words.push(word);
  }
}

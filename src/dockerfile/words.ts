import { invalid } from "../errors/index.ts";
import { replacePattern, withoutPrefix, withoutSuffix } from "./glob.ts";

/** Values of variables by name; undefined for one that is not set. */
export type Lookup = (name: string) => string | undefined;

/**
 * Split by blanks outside of quotes, keeping quotes and escapes in the words (as ENV, LABEL and ARG are read). An open
 * quote runs to the end of the text.
 */
export function splitWords(text: string, escapeChar: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote === "" && /\s/.test(char)) {
      if (word !== "") words.push(word);
      word = "";
      continue;
    }
    word += char;
    if (char === escapeChar && quote !== "'" && at + 1 < text.length) word += text.charAt(++at);
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = "";
  }
  if (word !== "") words.push(word);
  return words;
}

/** A word with its quotes and escapes taken off, variables left alone. Throws invalid for an open quote. */
export const unquote = (word: string, escapeChar: string): string =>
  new Scanner(word, escapeChar, undefined).upTo("");

/** A text with its variables put in, quotes and escapes taken off. Throws invalid in BuildKit's words. */
export const expand = (text: string, escapeChar: string, lookup: Lookup): string =>
  new Scanner(text, escapeChar, lookup).upTo("");

/**
 * The same, split at the blanks that come out unquoted: a variable may hold several words (EXPOSE).
 */
export function expandWords(text: string, escapeChar: string, lookup: Lookup): string[] {
  return splitWords(text, escapeChar).flatMap((word) => {
    const value = expand(word, escapeChar, lookup);
    return /["'\\`]/.test(word) ? [value] : value.split(/\s+/).filter((part) => part !== "");
  });
}

/** A here-document's body with its variables put in: quotes mean nothing there, and only `\$` and `\\` are escapes. */
export const expandBody = (text: string, escapeChar: string, lookup: Lookup): string =>
  new Scanner(text, escapeChar, lookup).body();

/** Names of the variables that a text mentions. */
export function mentioned(text: string, escapeChar: string): string[] {
  const names: string[] = [];
  expand(text, escapeChar, (name) => {
    names.push(name);
    // Any value: modifiers that would fail for want of one must not.
    return "x";
  });
  return names;
}

/** Whether a text may mention a variable. */
export const hasVariable = (text: string): boolean => /\$[\p{L}\d_{]/u.test(text);

const MAX_DEPTH = 100;

class Scanner {
  readonly #text: string;
  readonly #escapeChar: string;
  /** undefined: variables are left as they stand. */
  readonly #lookup: Lookup | undefined;
  #at = 0;
  #depth = 0;

  constructor(text: string, escapeChar: string, lookup: Lookup | undefined) {
    this.#text = text;
    this.#escapeChar = escapeChar;
    this.#lookup = lookup;
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #next(): string {
    return this.#text.charAt(this.#at++);
  }

  /** Up to an unquoted `stop` (taken, not given) or the end. `raw` keeps escapes, for patterns. */
  upTo(stop: string, raw = false): string {
    if (++this.#depth > MAX_DEPTH) throw invalid("syntax error: substitutions nested too deep");
    let result = "";
    for (;;) {
      const char = this.#peek();
      if (char === "") {
        if (stop !== "") throw invalid(`syntax error: missing '${stop}'`);
        break;
      }
      if (char === stop) {
        this.#at++;
        break;
      }
      if (char === "'") result += this.#singleQuoted();
      else if (char === '"') result += this.#doubleQuoted();
      else if (char === "$") result += this.#dollar();
      else if (char === this.#escapeChar) {
        this.#at++;
        const next = this.#next();
        result += raw && next !== "" ? `\\${next}` : next;
      } else result += this.#next();
    }
    this.#depth--;
    return result;
  }

  body(): string {
    let result = "";
    for (let char = this.#peek(); char !== ""; char = this.#peek()) {
      if (char === "$") result += this.#dollar();
      else if (char === this.#escapeChar && /[$\\`]/.test(this.#text.charAt(this.#at + 1))) {
        this.#at++;
        result += this.#next();
      } else result += this.#next();
    }
    return result;
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw invalid("unexpected end of statement while looking for matching single-quote");
    const result = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return result;
  }

  #doubleQuoted(): string {
    let result = "";
    this.#at++;
    for (;;) {
      const char = this.#peek();
      if (char === "") throw invalid("unexpected end of statement while looking for matching double-quote");
      if (char === '"') {
        this.#at++;
        return result;
      }
      if (char === "$") {
        result += this.#dollar();
        continue;
      }
      this.#at++;
      const next = this.#peek();
      if (char === this.#escapeChar && (next === '"' || next === "$" || next === this.#escapeChar))
        result += this.#next();
      else result += char;
    }
  }

  #dollar(): string {
    const start = this.#at++;
    if (this.#peek() !== "{") {
      const name = this.#name();
      if (name === "") return "$";
      return this.#lookup === undefined ? this.#text.slice(start, this.#at) : (this.#lookup(name) ?? "");
    }
    this.#at++;
    if (this.#peek() === "") throw invalid("syntax error: missing '}'");
    if (/[{}:]/.test(this.#peek())) throw invalid("syntax error: bad substitution");
    const name = this.#name();
    const value = this.#substitute(name);
    return this.#lookup === undefined ? this.#text.slice(start, this.#at) : value;
  }

  /** What follows the name in `${name…}`. */
  #substitute(name: string): string {
    const value = this.#lookup?.(name);
    let operator = this.#next();
    if (operator === "}") return value ?? "";
    if (operator === "") throw invalid("syntax error: missing '}'");
    if (operator === "/") return this.#replaced(value ?? "");
    let isEmptyUnset = false;
    let shown = operator;
    if (operator === ":") {
      isEmptyUnset = true;
      operator = this.#next();
      shown += operator;
    }
    const isPattern = operator === "#" || operator === "%";
    if (!/^[-+?#%]$/.test(operator) || (isEmptyUnset && isPattern)) {
      throw invalid(`unsupported modifier (${shown}) in substitution`);
    }
    const word = this.upTo("}", isPattern);
    const isMissing = value === undefined || (isEmptyUnset && value === "");
    switch (operator) {
      case "-":
        return isMissing ? word : value;
      case "+":
        return isMissing ? "" : word;
      case "?":
        if (isMissing && this.#lookup !== undefined) {
          throw invalid(
            `${name}: ${word || `is not allowed to be ${value === undefined ? "unset" : "empty"}`}`,
          );
        }
        return value ?? "";
      default: {
        const longest = word.startsWith(operator);
        const pattern = longest ? word.slice(1) : word;
        return operator === "#"
          ? withoutPrefix(value ?? "", pattern, longest)
          : withoutSuffix(value ?? "", pattern, longest);
      }
    }
  }

  #replaced(value: string): string {
    const all = this.#peek() === "/";
    if (all) this.#at++;
    const pattern = this.upTo("/", true);
    const replacement = this.upTo("}");
    return replacePattern(value, pattern, replacement, all);
  }

  /** Letters, digits and `_`; digits alone when it begins with one; or one of the shell's special parameters. */
  #name(): string {
    const [name = ""] =
      /^(?:[0-9]+|[\p{L}_][\p{L}\p{Nd}_]*|[@*#?\-$!])/u.exec(this.#text.slice(this.#at)) ?? [];
    this.#at += name.length;
    return name;
  }
}

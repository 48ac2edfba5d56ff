/** A shell pattern cut up: "*" any text, "?" one character, else the character itself. */
type Token = { readonly any: true } | { readonly one: string };

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const char = characters[at] ?? "";
    if (char === "*") tokens.push({ any: true });
    else if (char === "?") tokens.push({ one: "" });
    else if (char === "\\" && at + 1 < characters.length) tokens.push({ one: characters[++at] ?? "" });
    else tokens.push({ one: char });
  }
  return tokens;
}

/**
 * Lengths of the beginnings of `text` that the pattern matches whole, shortest first. All states are followed at once, so
 * that no pattern of a hostile file takes more than its length times the text's.
 */
function* matchLengths(text: readonly string[], tokens: readonly Token[], start = 0): Generator<number> {
  const reach = (states: Set<number>): Set<number> => {
    for (const state of states) {
      const token = tokens[state];
      if (token !== undefined && "any" in token) states.add(state + 1);
    }
    return states;
  };
  let states = reach(new Set([0]));
  for (let at = start; ; at++) {
    if (states.has(tokens.length)) yield at - start;
    const char = text[at];
    if (char === undefined || states.size === 0) return;
    const next = new Set<number>();
    for (const state of states) {
      const token = tokens[state];
      if (token === undefined) continue;
      if ("any" in token) next.add(state);
      else if (token.one === "" || token.one === char) next.add(state + 1);
    }
    states = reach(next);
  }
}

function matchLength(
  text: readonly string[],
  tokens: readonly Token[],
  longest: boolean,
  start = 0,
): number | undefined {
  let found: number | undefined;
  for (const length of matchLengths(text, tokens, start)) {
    found = length;
    if (!longest) break;
  }
  return found;
}

/** `${v#p}`, `${v##p}`: the value without the shortest or longest beginning that matches. */
export function withoutPrefix(value: string, pattern: string, longest: boolean): string {
  const text = [...value];
  return text.slice(matchLength(text, tokensOf(pattern), longest) ?? 0).join("");
}

/** `${v%p}`, `${v%%p}`: the value without the shortest or longest end that matches. */
export function withoutSuffix(value: string, pattern: string, longest: boolean): string {
  const text = [...value].reverse();
  return text
    .slice(matchLength(text, tokensOf(pattern).reverse(), longest) ?? 0)
    .reverse()
    .join("");
}

/** `${v/p/r}`, `${v//p/r}`: the first or every match, each as long as can be, replaced. */
export function replacePattern(value: string, pattern: string, replacement: string, all: boolean): string {
  const tokens = tokensOf(pattern);
  if (tokens.length === 0) return value;
  const text = [...value];
  let result = "";
  for (let at = 0; at < text.length; ) {
    const length = matchLength(text, tokens, true, at) ?? 0;
    if (length === 0) {
      result += text[at++];
      continue;
    }
    result += replacement;
    at += length;
    if (!all) return result + text.slice(at).join("");
  }
  return result;
}

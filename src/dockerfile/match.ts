import { invalid } from "../errors/index.ts";

/**
 * Patterns of .dockerignore, --exclude and --parents (moby/patternmatcher): `*` and `?` stay within a name, `[a-z]` and
 * `[^a]` are classes, a backslash takes the next character as it is, `**` crosses any number of folders. The expression
 * has no nested repetition of one character class, so no pattern makes it slow beyond its own length times the path's.
 */
export function patternExpression(pattern: string): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    if (char === "*" && pattern.charAt(at + 1) === "*") {
      while (pattern.charAt(at + 1) === "*") at++;
      const slash = pattern.charAt(at + 1) === "/";
      if (slash) at++;
      if (at + 1 >= pattern.length) source += ".*";
      else source += slash ? "(?:.*/)?" : ".*";
    } else if (char === "*") {
      source += "[^/]*";
    } else if (char === "?") {
      source += "[^/]";
    } else if (char === "[") {
      const end = classEnd(pattern, at);
      source += classExpression(pattern.slice(at + 1, end));
      at = end;
    } else if (char === "\\") {
      if (at + 1 === pattern.length) throw badPattern(pattern);
      source += quoted(pattern.charAt(++at));
    } else source += quoted(char);
  }
  try {
    return new RegExp(`^${source}$`, "s");
  } catch (cause) {
    throw badPattern(pattern, cause);
  }
}

const badPattern = (pattern: string, cause?: unknown) =>
  invalid(`syntax error in pattern ${JSON.stringify(pattern)}`, cause === undefined ? {} : { cause });

const quoted = (char: string) => char.replace(/[.*+?^${}()|[\]\\/-]/, "\\$&");

function classEnd(pattern: string, start: number): number {
  for (let at = start + 1; at < pattern.length; at++) {
    if (pattern.charAt(at) === "\\") at++;
    else if (pattern.charAt(at) === "]" && at > start + 1) return at;
  }
  throw badPattern(pattern);
}

function classExpression(content: string): string {
  const negated = /^[\^!]/.test(content);
  const body = (negated ? content.slice(1) : content).replace(/\\?(.)/gs, (whole, char: string) =>
    whole === "-" ? "-" : char.replace(/[\\\]^[-]/, "\\$&"),
  );
  return `[${negated ? "^/" : ""}${body}]`;
}

/** Whether a word holds any of the signs that make it a pattern. */
export const isPattern = (text: string): boolean => /[*?[\\]/.test(text);

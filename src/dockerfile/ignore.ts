import { posix } from "node:path";
import { invalid } from "../errors/index.ts";
import { patternExpression } from "./match.ts";

interface Rule {
  readonly negated: boolean;
  readonly expression: RegExp;
  readonly pattern: string;
}

/** Which files of a context stay out of it (.dockerignore, `--exclude`). */
export interface IgnoreRules {
  /** Whether this path (relative, with slashes) is left out, by itself or with a folder above it. The last rule that matches decides. */
  ignores(path: string): boolean;
  /** Whether something below an ignored folder may be wanted after all: then it has to be walked. */
  mayHoldWanted(folder: string): boolean;
  readonly isEmpty: boolean;
}

/**
 * The rules of a .dockerignore (docs.docker.com/build/concepts/context, "dockerignore files"), as docker's own matcher
 * applies them. Throws invalid for a malformed pattern.
 */
export const parseIgnoreFile = (text: string): IgnoreRules => ignoreRules(ignorePatterns(text));

/** The patterns of a file: comments and blanks dropped, paths cleaned. */
export function ignorePatterns(text: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const negated = line.startsWith("!");
      const pattern = negated ? line.slice(1).trim() : line;
      if (negated && pattern === "") throw invalid('illegal exclusion pattern: "!"');
      const clean = posix.normalize(pattern).replace(/(?<=.)\/$/, "");
      return `${negated ? "!" : ""}${clean.length > 1 ? clean.replace(/^\//, "") : clean}`;
    });
}

export function ignoreRules(patterns: readonly string[]): IgnoreRules {
  const rules = patterns.map((text): Rule => {
    const negated = text.startsWith("!");
    const pattern = posix.normalize(negated ? text.slice(1) : text).replace(/^\/|(?<=.)\/$/g, "");
    return { negated, pattern, expression: patternExpression(pattern) };
  });
  // A rule for a folder holds for all that is in it: the path's own parents are tried as well.
  const matches = ({ expression }: Rule, path: string) => {
    if (expression.test(path)) return true;
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
      if (expression.test(path.slice(0, end))) return true;
    return false;
  };
  const wanted = rules.filter(({ negated }) => negated);
  return {
    isEmpty: rules.length === 0,
    ignores(path) {
      if (path === "" || path === ".") return false;
      const last = rules.findLast((rule) => matches(rule, path));
      return last !== undefined && !last.negated;
    },
    mayHoldWanted: (folder) =>
      wanted.some(({ pattern }) => {
        if (pattern.startsWith(`${folder}/`)) return true;
        // A pattern with wildcards may begin to match anywhere below.
        const fixed = pattern.split(/[*?[\\]/, 1)[0] ?? "";
        return fixed !== pattern && (fixed.startsWith(`${folder}/`) || `${folder}/`.startsWith(fixed));
      }),
  };
}

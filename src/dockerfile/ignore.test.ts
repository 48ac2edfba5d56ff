import { describe, expect, test } from "bun:test";
import { ignorePatterns, parseIgnoreFile } from "./index.ts";

describe(".dockerignore", () => {
  test.each<[string, string, boolean]>([
    ["a", "a", true],
    ["a", "a/b/c", true],
    ["a", "x/a", false],
    ["/a", "a", true],
    ["./a/", "a/x", true],
    ["*/b", "a/b", true],
    ["*/b", "b", false],
    ["*", "a/b", true],
    ["*.o", "x.o", true],
    ["*.o", "d/x.o", false],
    ["**/*.o", "d/e/x.o", true],
    ["**/*.o", "x.o", true],
    ["**/x", "x", true],
    ["a/**", "a/b/c", true],
    ["a/**/c", "a/c", true],
    ["a?", "ab", true],
    ["a?", "a/", false],
    ["[a-c]x", "bx", true],
    ["[^a]x", "bx", true],
    ["[^a]x", "ax", false],
    ["\\*", "*", true],
    ["\\*", "a", false],
    ["*\n!a", "a", false],
    ["*\n!a/b", "a/b/c", false],
    ["*\n!a/b", "a/c", true],
    ["a\n!a/b\na/b/c", "a/b/c", true],
    ["# a\n\n  b  ", "b", true],
    ["# a", "# a", false],
    ["a.b", "axb", false],
  ])("%p: %p is left out: %p", (rules, path, expected) =>
    expect(parseIgnoreFile(rules).ignores(path)).toBe(expected),
  );

  test("a folder is walked when something in it may come back", () => {
    const rules = parseIgnoreFile("*\n!src/lib/*.js\n!doc");
    expect(["src", "src/lib", "other", "doc/x"].map((folder) => rules.mayHoldWanted(folder))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(parseIgnoreFile("node_modules\n!**/keep").mayHoldWanted("node_modules")).toBe(true);
  });

  test("an exclamation mark alone and broken classes are refused", () => {
    expect(() => ignorePatterns("a\n!")).toThrow('illegal exclusion pattern: "!"');
    expect(() => parseIgnoreFile("[a")).toThrow("syntax error in pattern");
    expect(() => parseIgnoreFile("a\\")).toThrow("syntax error in pattern");
  });
});

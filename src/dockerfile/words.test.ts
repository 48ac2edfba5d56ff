import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EngineError } from "../errors/index.ts";
import { expand, expandBody, expandWords, mentioned } from "./index.ts";

const VALUES: Record<string, string> = {
  a: "1",
  empty: "",
  path: "/usr/lib/libx.so.1",
  "1": "one",
  many: "80 90/udp",
};
const lookup = (name: string) => VALUES[name];
const put = (text: string) => expand(text, "\\", lookup);

describe("expansion", () => {
  test.each([
    ["$a${a}-$b-", "11--"],
    ["${b:-x}${b-y}${empty:-x}${empty-y}", "xyx"],
    ["${a:+x}${a+y}${empty:+x}${empty+y}${b+z}", "xyy"],
    ["${a:?no}${empty?no}", "1"],
    ["${b:-${a}$a}", "11"],
    ['${b:-"} "}', "} "],
    ['\\$a \'$a\' "$a" "\\$a\\b"', "$a $a 1 $a\\b"],
    ["$", "$"],
    ["$1", "one"],
    ["${path#*/}", "usr/lib/libx.so.1"],
    ["${path##*/}", "libx.so.1"],
    ["${path%.*}", "/usr/lib/libx.so"],
    ["${path%%.*}", "/usr/lib/libx"],
    ["${path#\\*}", "/usr/lib/libx.so.1"],
    ["${path/lib/L}", "/usr/L/libx.so.1"],
    ["${path//lib/L}", "/usr/L/Lx.so.1"],
    ["${path//\\//-}", "-usr-lib-libx.so.1"],
    ["${path/l?b/$a}", "/usr/1/libx.so.1"],
    ["${path##${empty}/usr}", "/lib/libx.so.1"],
  ])("%p is %p", (text, expected) => expect(put(text)).toBe(expected));

  test.each([
    ["${a", "missing '}'"],
    ["${}", "bad substitution"],
    ["${:-x}", "bad substitution"],
    ["${b:?}", "b: is not allowed to be unset"],
    ["${empty:?}", "empty: is not allowed to be empty"],
    ["${b?why not}", "b: why not"],
    ["${a:#x}", "unsupported modifier (:#) in substitution"],
    ["${a^}", "unsupported modifier (^) in substitution"],
    ["'x", "looking for matching single-quote"],
    ['"x', "looking for matching double-quote"],
    ["${a/x}", "missing '/'"],
  ])("%p is refused", (text, message) => expect(() => put(text)).toThrow(message));

  test("gives several words where several may be", () => {
    expect(expandWords('$many 7 "$many"', "\\", lookup)).toEqual(["80", "90/udp", "7", "80 90/udp"]);
  });

  test("of a document leaves quotes alone", () => {
    expect(expandBody("'$a' \"${b:-x}\" \\$a \\\\ \\n", "\\", lookup)).toBe("'1' \"x\" $a \\ \\n");
  });

  test("tells which variables are mentioned", () => {
    expect(mentioned("$a ${b:-$c} '$d' ${e:?}", "\\")).toEqual(["a", "b", "c", "e"]);
  });

  test("takes no time that grows with the number of stars, and never crashes", () => {
    const text = "a".repeat(3000);
    expect(expand(`\${v##${"*a".repeat(200)}b}`, "\\", () => text)).toBe(text);
    const piece = fc.constantFrom(
      "${",
      "}",
      "$",
      "a",
      ":",
      "-",
      "?",
      "#",
      "%",
      "/",
      "*",
      "'",
      '"',
      "\\",
      " ",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
        try {
          put(pieces.join(""));
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

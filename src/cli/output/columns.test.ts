import { expect, test } from "bun:test";
import fc from "fast-check";
import { clipToColumns, columnsOf, printable } from "./columns.ts";

test.each([
  ["ascii", 5],
  ["日本語", 6],
  ["e\u0301", 1],
  ["한글 ok", 7],
  ["✅🚀", 4],
  ["ﬀ…→", 3],
  ["", 0],
])("%p takes %p columns", (text, columns) => expect(columnsOf(text)).toBe(columns));

test("a line is cut between characters, never within one that is wide or of two code units", () => {
  expect(clipToColumns("日本語", 5)).toBe("日本");
  expect(clipToColumns("a🚀b", 2)).toBe("a");
  expect(clipToColumns("a🚀b", 3)).toBe("a🚀");
  expect(clipToColumns("short", 80)).toBe("short");
  expect(clipToColumns("x", 0)).toBe("");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.nat(40), (text, columns) => {
      const cut = clipToColumns(text, columns);
      expect(text.startsWith(cut) && columnsOf(cut) <= columns).toBe(true);
    }),
  );
});

test.each([
  ["10%\r50%\r100%", "100%"],
  ["done\r", "done"],
  ["a\tb", "a       b"],
  ["日本\tb", "日本    b"],
  ["\x1b[31mred\x1b[0m \x1b[2K\x1b[1Aup", "red up"],
  ["\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link", "textlink"],
  ["\x1bcreset\x9b5A\x07", "reset5A"],
])("%p is shown as %p", (line, shown) => expect(printable(line)).toBe(shown));

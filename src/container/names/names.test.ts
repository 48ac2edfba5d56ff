import { expect, test } from "bun:test";
import { generateName, isValidName } from "./index.ts";
import { ADJECTIVES, SURNAMES } from "./words.ts";

test("there are enough words, each once and in lower case", () => {
  expect(ADJECTIVES.length).toBeGreaterThanOrEqual(100);
  expect(SURNAMES.length).toBeGreaterThanOrEqual(200);
  for (const words of [ADJECTIVES, SURNAMES]) {
    expect(new Set(words).size).toBe(words.length);
    for (const word of words) expect(word).toMatch(/^[a-z]+$/);
  }
});

test("a made-up name is adjective_surname, and later attempts add a number", () => {
  expect(generateName(0)).toMatch(/^[a-z]+_[a-z]+$/);
  expect(generateName(1)).toMatch(/^[a-z]+_[a-z]+\d$/);
  expect(generateName(400)).toMatch(/^[a-z]+_[a-z]+\d{1,12}$/);
});

test("every made-up name is valid", () => {
  for (let attempt = 0; attempt < 50; attempt++) expect(isValidName(generateName(attempt))).toBe(true);
});

test.each(["ab", "A1", "web.1-x_y", "0a"])("%p is a valid name", (name) => {
  expect(isValidName(name)).toBe(true);
});

test.each(["", "a", "/ab", "_ab", "-ab", ".ab", "a b", "a/b", "ab\n", "äb"])(
  "%p is no valid name",
  (name) => {
    expect(isValidName(name)).toBe(false);
  },
);

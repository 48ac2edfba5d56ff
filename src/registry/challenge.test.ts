import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseChallenge } from "./challenge.ts";

test("a bearer challenge with its parameters", () => {
  expect(
    parseChallenge(
      'Bearer realm="https://auth.example/token",service="a b",scope="repository:x/y:pull,push"',
    ),
  ).toEqual({
    scheme: "bearer",
    parameters: { realm: "https://auth.example/token", service: "a b", scope: "repository:x/y:pull,push" },
  });
});

test("no header is no challenge", () => {
  expect(parseChallenge(null)).toBeUndefined();
  expect(parseChallenge("")).toBeUndefined();
});

test("quoted values survive whatever they hold", () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      const header = `Bearer realm="${value.replace(/["\\]/g, "\\$&")}"`;
      expect(parseChallenge(header)?.parameters.realm).toBe(value);
    }),
  );
});

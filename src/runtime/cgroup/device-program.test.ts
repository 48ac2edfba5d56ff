import { expect, test } from "bun:test";
import { evaluate } from "./device-program.ts";

const allow = (rule: string) => ({ allow: true, rule });
const deny = (rule: string) => ({ allow: false, rule });

test("nothing is allowed until a rule allows it; a rule for all begins anew", () => {
  expect(evaluate([])).toEqual({ allow: false, exceptions: [] });
  expect(evaluate([allow("c 1:3 rwm"), allow("a *:* rwm")])).toEqual({ allow: true, exceptions: [] });
  expect(evaluate([allow("a *:* rwm"), deny("a *:* rwm")])).toEqual({ allow: false, exceptions: [] });
});

test("rules for the same numbers are one exception, and the opposite rule takes access back", () => {
  const null_ = { type: 2, major: 1, minor: 3 };
  expect(evaluate([allow("c 1:3 r"), allow("c 1:3 w")]).exceptions).toEqual([{ ...null_, access: 6 }]);
  expect(evaluate([allow("c 1:3 rwm"), deny("c 1:3 m")]).exceptions).toEqual([{ ...null_, access: 6 }]);
  expect(evaluate([allow("c 1:3 r"), deny("c 1:3 rwm")]).exceptions).toEqual([]);
  expect(evaluate([allow("b *:* m")]).exceptions).toEqual([
    { type: 1, major: undefined, minor: undefined, access: 1 },
  ]);
});

test("a rule of another form is refused", () => {
  expect(() => evaluate([allow("x 1:3 r")])).toThrow("invalid device cgroup rule format: 'x 1:3 r'");
  expect(() => evaluate([allow("c 1 r")])).toThrow("invalid device cgroup rule");
});

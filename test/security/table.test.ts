import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROW = /^\|.*\| `(\w+)`: "([^"]+)" \|$/;

test("every escape that SECURITY.md tells of has its test, and every test its line", () => {
  const rows = readFileSync(join(import.meta.dirname, "../../SECURITY.md"), "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, file = "", name = ""] = ROW.exec(line) ?? [];
      return file === "" ? [] : [{ file, name }];
    });
  const told = rows.map(({ file, name }) => `${file}: ${name}`).sort();
  const tests = ["kernel", "mounts", "runtime"].flatMap((file) => {
    const text = readFileSync(join(import.meta.dirname, `${file}.root.test.ts`), "utf8");
    return [...text.matchAll(/^test\("([^"]+?)(?: \(CVE-[^"]*\))?"/gm)].map(([, name]) => `${file}: ${name}`);
  });
  expect(told).toEqual(tests.sort());
});

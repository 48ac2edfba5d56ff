import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { encodePlan } from "./encode.ts";
import { OPERATIONS } from "./format.ts";

const native = join(import.meta.dirname, "../../../native");

const theirs = [
  ...readFileSync(join(native, "operations.def"), "utf8").matchAll(
    /^OP\((\d+), \w+, "([a-z-]+)", PHASE_(\w+), "([a-z]*)"\)$/gm,
  ),
];

test("the shim's table of operations and this one are the same", () => {
  const ours = Object.entries(OPERATIONS).map(([name, { code, phase, fields }]) => [
    String(code),
    name,
    phase.toUpperCase(),
    Object.values(fields).join(""),
  ]);
  expect(ours).toEqual(theirs.map((match) => match.slice(1)));
});

test("ARCHITECTURE.md tells of every operation, with its phase and its fields", () => {
  const page = readFileSync(join(native, "../ARCHITECTURE.md"), "utf8");
  const section = page.slice(page.indexOf("## The launch plan"));
  const rows = [...section.matchAll(/^\| `([a-z-]+)` \| ([a-z, ]+) \| (.*?) \|/gm)];
  const told = rows.map(([, name, phase, fields = ""]) => [
    name,
    phase?.split(", ")[0],
    [...fields.matchAll(/([a-z ]+?)(?: \([^)]*\))? `([usbl])`/g)].map(([, field = "", letter]) => [
      field.trim(),
      letter,
    ]),
  ]);
  const spaced = (field: string) => field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const table = Object.entries(OPERATIONS).map(([name, { phase, fields }]) => [
    name,
    phase,
    Object.entries(fields).map(([field, letter]) => [spaced(field), letter]),
  ]);
  const byName = (a: unknown[], b: unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);
  expect(told.sort(byName)).toEqual(table.sort(byName));
});

test("a plan is a header with size and checksum, then its operations", () => {
  const bytes = encodePlan({
    start: "on-request",
    operations: [
      { op: "hostname", name: "x" },
      { op: "exec", args: ["a", "bc"] },
    ],
  });
  expect(bytes.toString("latin1", 0, 8)).toBe("GNTRPLAN");
  expect([8, 12, 16, 24, 28].map((at) => bytes.readUInt32LE(at))).toEqual([1, 2, bytes.length, 1, 0]);
  expect(bytes.readUInt32LE(20)).toBe(crc32(bytes.subarray(32)));
  expect(bytes.subarray(32).toString("hex")).toBe(
    "2b00000006000000010000007800" + "35000000110000000200000001000000610002000000626300",
  );
});

test("a NUL in a text is refused", () => {
  expect(() => encodePlan({ start: "now", operations: [{ op: "exec", args: ["a\0b"] }] })).toThrow(
    "NUL byte",
  );
});

test("a plan that outgrows its first buffer keeps every field", () => {
  const entries = Array.from({ length: 3000 }, (_, index) => `NAME_${index}=value`);
  const program = Buffer.alloc(20_001, 7);
  const bytes = encodePlan({
    start: "now",
    operations: [
      { op: "environment", entries },
      { op: "seccomp", program, flags: 0 },
    ],
  });
  let at = 32 + 8 + 4;
  expect(bytes.readUInt32LE(40)).toBe(entries.length);
  for (const entry of entries) {
    expect(bytes.readUInt32LE(at)).toBe(entry.length);
    expect(bytes.toString("utf8", at + 4, at + 4 + entry.length)).toBe(entry);
    at += 4 + entry.length + 1;
  }
  expect(bytes.readUInt32LE(at + 8)).toBe(program.length);
  expect(bytes.subarray(at + 12, at + 12 + program.length).equals(program)).toBe(true);
});

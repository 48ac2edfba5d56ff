import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { framesOf, joined, lineOf, openTestLog, type TestEntry } from "./testing.ts";

const BASE_NS = 1_714_557_600_000_000_000n;
let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), `gantry-logs-${process.pid}-`));
  file = join(folder, "c-json.log");
});
afterEach(() => rmSync(folder, { recursive: true }));

const out = (log: string, second = 0): TestEntry => ({
  stream: "stdout",
  log,
  ns: BASE_NS + BigInt(second) * 1_000_000_000n,
});
const err = (log: string, second = 0): TestEntry => ({ ...out(log, second), stream: "stderr" });
const write = (...entries: TestEntry[]) => writeFileSync(file, entries.map(lineOf).join(""));
const texts = async (options: Parameters<typeof openTestLog>[1] = {}) =>
  (await framesOf(openTestLog(file, options))).map(([, text]) => text);

test("a log that does not exist reads as empty", async () => {
  expect(await texts()).toEqual([]);
});

test("each entry is one frame of its stream", async () => {
  write(out("a\n"), err("b\n"), out("no newline"), err(""));
  expect(await framesOf(openTestLog(file))).toEqual([
    ["stdout", "a\n"],
    ["stderr", "b\n"],
    ["stdout", "no newline"],
    ["stderr", ""],
  ]);
});

test("in a long log neighbours of one stream share frames", async () => {
  const many = Array.from({ length: 20_000 }, (_, at) =>
    at % 5000 === 4999 ? err(`${at}\n`) : out(`${at}\n`),
  );
  write(...many);
  const frames = await framesOf(openTestLog(file, { timestamps: true }));
  expect(frames.length).toBeLessThan(2000);
  expect(Math.max(...frames.map(([, text]) => text.length))).toBeLessThan(40_000);
  expect(joined(frames)).toEqual(
    joined(many.map(({ stream, log }) => [stream, `2024-05-01T10:00:00.000000000Z ${log}`])),
  );
});

test("only the streams asked for are sent", async () => {
  write(out("a\n"), err("b\n"));
  expect(await texts({ stderr: false })).toEqual(["a\n"]);
  expect(await texts({ stdout: false })).toEqual(["b\n"]);
});

test("a terminal's log is raw", async () => {
  write(out("a\r\n"), out("b"));
  expect(Buffer.concat(await openTestLog(file, { tty: true }).toArray()).toString()).toBe("a\r\nb");
});

test("timestamps have nine decimals, whatever was written", async () => {
  write(
    out("a\n"),
    { ...out("b\n"), ns: BASE_NS + 120_000_000n },
    { ...out("c\n"), ns: BASE_NS + 123_456_789n },
  );
  expect(await texts({ timestamps: true })).toEqual([
    "2024-05-01T10:00:00.000000000Z a\n",
    "2024-05-01T10:00:00.120000000Z b\n",
    "2024-05-01T10:00:00.123456789Z c\n",
  ]);
});

test("details come after the time and before the text, sorted and encoded", async () => {
  write({ ...out("a\n"), attrs: { z: "1", "a b": "x=y" } }, out("b\n"));
  expect(await texts({ details: true, timestamps: true })).toEqual([
    "2024-05-01T10:00:00.000000000Z a+b=x%3Dy,z=1 a\n",
    "2024-05-01T10:00:00.000000000Z  b\n",
  ]);
});

test("attributes cannot pass for another stream or time", async () => {
  const attrs = { k: 'x\n","stream":"stderr","time":"2030-01-01T00:00:00Z"}' };
  write({ ...out("a"), attrs }, out("b\n"));
  writeFileSync(
    file,
    `{"log":"c","stream":"stdout","attrs":{"k":"x\\n","stream":"stderr","time":"2030-01-01T00:00:00Z"},"time":"2024-05-01T10:00:00Z"}\n`,
    { flag: "a" },
  );
  expect(await framesOf(openTestLog(file))).toEqual([
    ["stdout", "a"],
    ["stdout", "b\n"],
    ["stdout", "c"],
  ]);
});

test("since and until are both inclusive", async () => {
  write(out("0"), out("1", 1), out("2", 2), out("3", 3));
  const at = (second: number) => BASE_NS + BigInt(second) * 1_000_000_000n;
  expect(await texts({ sinceNs: at(1), untilNs: at(2) })).toEqual(["1", "2"]);
  expect(await texts({ sinceNs: at(1) + 1n })).toEqual(["2", "3"]);
  expect(await texts({ untilNs: at(1) - 1n })).toEqual(["0"]);
});

test("lines that are no entries are left out", async () => {
  const good = [lineOf(out("a\n")), lineOf(out("b\n"))];
  const bad = [
    "",
    "garbage",
    '{"log":"x',
    '{"log":1,"stream":"stdout","time":"2024-05-01T10:00:00Z"}',
    "\0".repeat(300),
    "null",
    '{"log":"\\q","stream":"stdout","time":"2024-05-01T10:00:00Z"}',
  ];
  writeFileSync(file, `${good[0]}${bad.join("\n")}\n${good[1]}{"log":"torn","stre`);
  expect(await texts()).toEqual(["a\n", "b\n"]);
});

test("an entry that only lacks its newline is read", async () => {
  writeFileSync(file, lineOf(out("a\n")) + lineOf(out("b\n")).trimEnd());
  expect(await texts()).toEqual(["a\n", "b\n"]);
});

test("keys in any order and times of any zone are read", async () => {
  writeFileSync(file, '{"time":"2024-05-01T12:00:00+02:00","stream":"stderr","log":"a"}\n');
  expect(await texts({ timestamps: true })).toEqual(["2024-05-01T10:00:00.000000000Z a"]);
});

test("output that is not UTF-8 passes as it was written", async () => {
  const text = Buffer.from([0xff, 0x80, 0x5c, 0x22, 0xc3]);
  const [head, tail] = [
    Buffer.from('{"log":"'),
    Buffer.from('\\n","stream":"stdout","time":"2024-05-01T10:00:00Z"}\n'),
  ];
  writeFileSync(file, Buffer.concat([head, text, tail]));
  const bytes = Buffer.concat(await openTestLog(file, { tty: true }).toArray());
  expect([...bytes]).toEqual([0xff, 0x80, 0x22, 0xc3, 0x0a]);
});

test("a line longer than any block is read, one beyond all measure is left out", async () => {
  const long = "x".repeat(3 << 20);
  writeFileSync(file, lineOf(out(long)) + lineOf(out("y".repeat(20 << 20))) + lineOf(out("end\n")));
  expect((await texts()).map((text) => text.length)).toEqual([long.length, 4]);
});

test("a damaged compressed file gives what is before the damage", async () => {
  const whole = gzipSync(lineOf(out("old\n")).repeat(20_000));
  writeFileSync(`${file}.1.gz`, whole.subarray(0, whole.length - 20));
  write(out("new\n"));
  expect((await texts()).at(-1)).toBe("new\n");
});

const entries = fc.array(
  fc.record({
    stream: fc.constantFrom<"stdout" | "stderr">("stdout", "stderr"),
    log: fc.oneof(
      fc.string({ unit: "binary" }).map((text) => `${text}\n`),
      fc.string({ unit: "grapheme", maxLength: 200 }),
      fc.string({ unit: fc.constantFrom("\\", '"', "\n", "\t", "\u0001", "a"), maxLength: 30 }),
      fc.nat(400_000).map((length) => `${"\\".repeat(3)}${"z".repeat(length)}\n`),
    ),
    ns: fc.bigInt({ min: 1n, max: BASE_NS * 2n }),
    attrs: fc.option(fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }), { nil: undefined }),
  }),
  { maxLength: 40 },
);

test("what was written is read back, wherever it was rotated or compressed, and from any tail on", async () => {
  const shape = fc.record({
    entries,
    cuts: fc.array(fc.nat(40), { maxLength: 4 }),
    compressed: fc.boolean(),
    tail: fc.integer({ min: -1, max: 45 }),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ entries: all, cuts, compressed, tail }) => {
      const expected = all.map(({ attrs, ...entry }) => (attrs === undefined ? entry : { ...entry, attrs }));
      const bounds = [0, ...cuts.sort((a, b) => a - b).map((cut) => Math.min(cut, all.length)), all.length];
      const parts = bounds.slice(1).map((end, index) => expected.slice(bounds[index], end));
      rmSync(folder, { recursive: true });
      folder = mkdtempSync(join(tmpdir(), `gantry-logs-${process.pid}-`));
      file = join(folder, "c-json.log");
      for (const [index, part] of parts.entries()) {
        const age = parts.length - 1 - index;
        const text = part.map(lineOf).join("");
        if (age === 0) writeFileSync(file, text);
        else if (compressed) writeFileSync(`${file}.${age}.gz`, gzipSync(text));
        else writeFileSync(`${file}.${age}`, text);
      }
      const wanted = tail < 0 ? expected : expected.slice(Math.max(0, expected.length - tail));
      expect(joined(await framesOf(openTestLog(file, { tail })))).toEqual(
        joined(wanted.map(({ stream, log }) => [stream, log.toWellFormed()])),
      );
    }),
    { numRuns: 60 },
  );
});

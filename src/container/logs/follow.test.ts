import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import fc from "fast-check";
import { wallClockNs } from "../../platform/index.ts";
import { decodeFrames, framesOf, lineOf, openTestLog } from "./testing.ts";

let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), `gantry-follow-${process.pid}-`));
  file = join(folder, "c-json.log");
});
afterEach(() => rmSync(folder, { recursive: true }));

const line = (log: string) => lineOf({ stream: "stdout", log, ns: 1_714_557_600_000_000_000n });
const append = (log: string) => appendFileSync(file, line(log));
const textsOf = async (output: Readable) => (await framesOf(output)).map(([, text]) => text);

/** The three-file rotation of the engine's log writer. */
function rotate(): void {
  for (const age of [1, 0]) {
    const name = age === 0 ? file : `${file}.${age}`;
    if (existsSync(name)) renameSync(name, `${file}.${age + 1}`);
  }
  writeFileSync(file, "");
}

/** Frames one by one, as they arrive. */
async function* arriving(output: Readable): AsyncGenerator<string, void, undefined> {
  for await (const chunk of output) for (const [, text] of decodeFrames(chunk)) yield text;
}

test("entries arrive as they are written, until the end", async () => {
  append("0");
  const ended = Promise.withResolvers<void>();
  const seen: string[] = [];
  for await (const text of arriving(openTestLog(file, { follow: true, ended: ended.promise }))) {
    seen.push(text);
    if (seen.length < 50) append(String(seen.length));
    else ended.resolve();
  }
  expect(seen).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
});

test("what was written before the end is delivered, also when nobody read meanwhile", async () => {
  append("0");
  const ended = Promise.withResolvers<void>();
  const output = openTestLog(file, { follow: true, ended: ended.promise });
  append("1");
  rotate();
  append("2");
  ended.resolve();
  expect(await textsOf(output)).toEqual(["0", "1", "2"]);
});

test("a log that is made later is followed from its first entry", async () => {
  const ended = Promise.withResolvers<void>();
  const frames = arriving(openTestLog(file, { follow: true, ended: ended.promise }));
  const first = frames.next();
  append("0");
  expect((await first).value).toBe("0");
  ended.resolve();
  expect((await frames.next()).done).toBe(true);
});

test("a log that never came to be ends with its container", async () => {
  expect(await textsOf(openTestLog(file, { follow: true }))).toEqual([]);
});

test("half a line waits for its other half", async () => {
  const ended = Promise.withResolvers<void>();
  const frames = arriving(openTestLog(file, { follow: true, ended: ended.promise }));
  const whole = line("whole");
  append("0");
  appendFileSync(file, whole.slice(0, 20));
  expect((await frames.next()).value).toBe("0");
  appendFileSync(file, whole.slice(20));
  expect((await frames.next()).value).toBe("whole");
  ended.resolve();
  expect((await frames.next()).done).toBe(true);
});

test("only the tail and what comes after it is sent", async () => {
  for (const log of ["a", "b", "c"]) append(log);
  const ended = Promise.withResolvers<void>();
  const frames = arriving(openTestLog(file, { follow: true, tail: 1, ended: ended.promise }));
  expect((await frames.next()).value).toBe("c");
  append("d");
  expect((await frames.next()).value).toBe("d");
  ended.resolve();
  expect((await frames.next()).done).toBe(true);
});

test("an abort ends a stream that waits, and so does its destruction", async () => {
  const stop = new AbortController();
  const never = new Promise<void>(() => undefined);
  append("0");
  const frames = arriving(openTestLog(file, { follow: true, ended: never, signal: stop.signal }));
  expect((await frames.next()).value).toBe("0");
  const next = frames.next();
  stop.abort();
  expect((await next).done).toBe(true);
  const other = openTestLog(file, { follow: true, ended: never });
  const closed = new Promise((resolve) => other.once("close", resolve));
  other.once("data", () => other.destroy());
  await closed;
});

test("following ends at until, though nothing is written then", async () => {
  append("0");
  const never = new Promise<void>(() => undefined);
  const untilNs = wallClockNs() + 30_000_000n;
  expect(await textsOf(openTestLog(file, { follow: true, ended: never, untilNs }))).toEqual(["0"]);
});

test("no entry is lost or doubled by rotations at any time", async () => {
  const steps = fc.array(fc.constantFrom("write", "write", "write", "rotate", "look"), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(steps, async (plan) => {
      rmSync(folder, { recursive: true });
      folder = mkdtempSync(join(tmpdir(), `gantry-follow-${process.pid}-`));
      file = join(folder, "c-json.log");
      writeFileSync(file, "");
      const ended = Promise.withResolvers<void>();
      const frames = arriving(openTestLog(file, { follow: true, ended: ended.promise }));
      const seen: string[] = [];
      let written = 0;
      let rotationsUnseen = 0;
      const look = async () => {
        while (seen.length < written) seen.push((await frames.next()).value ?? "nothing");
        rotationsUnseen = 0;
      };
      for (const step of plan) {
        if (step === "write") append(String(written++));
        else if (step === "look") await look();
        // A third rotation would remove what the reader has not seen: that loss is the writer's choice.
        else if (rotationsUnseen++ < 2) rotate();
      }
      ended.resolve();
      await look();
      expect((await frames.next()).done).toBe(true);
      expect(seen).toEqual(Array.from({ length: written }, (_, index) => String(index)));
    }),
    { numRuns: 40 },
  );
});

test("all that a killed writer has written is delivered", async () => {
  const script = `
    const { appendFileSync } = require("node:fs");
    for (let i = 0; ; i++) {
      const line = JSON.stringify({ log: i + "\\n", stream: "stdout", time: "2024-05-01T10:00:00Z" }) + "\\n";
      appendFileSync(${JSON.stringify(file)}, line);
    }`;
  writeFileSync(file, "");
  const writer = spawn(process.execPath, ["-e", script], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => writer.once("exit", () => resolve()));
  try {
    let count = 0;
    for await (const text of arriving(openTestLog(file, { follow: true, ended }))) {
      for (const line of text.trimEnd().split("\n")) {
        expect(line).toBe(String(count));
        if (++count === 500) writer.kill("SIGKILL");
      }
    }
    expect(count).toBeGreaterThanOrEqual(500);
    expect(count).toBe((await textsOf(openTestLog(file))).join("").trimEnd().split("\n").length);
  } finally {
    writer.kill("SIGKILL");
    await ended;
  }
});

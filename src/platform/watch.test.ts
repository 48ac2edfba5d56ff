import { afterAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchFile } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), `gantry-watch-${process.pid}-`));
afterAll(() => rmSync(folder, { recursive: true }));
const never = new AbortController().signal;

test("growth right after the watch was made is seen", async () => {
  const file = join(folder, "growth");
  writeFileSync(file, "");
  using watched = watchFile(file);
  appendFileSync(file, "a");
  await watched.changed(never);
});

test("a change between two calls is kept for the next one", async () => {
  const file = join(folder, "kept");
  using watched = watchFile(file);
  writeFileSync(file, "a");
  await watched.changed(never);
  using other = watchFile(file);
  appendFileSync(file, "b");
  await other.changed(never);
  await watched.changed(never);
});

test("being renamed away and made anew are seen", async () => {
  const file = join(folder, "rotated");
  writeFileSync(file, "");
  using watched = watchFile(file);
  renameSync(file, `${file}.1`);
  await watched.changed(never);
  writeFileSync(file, "");
  await watched.changed(never);
});

test("changes in quick succession are all followed by a wake-up", async () => {
  const file = join(folder, "quick");
  writeFileSync(file, "");
  using watched = watchFile(file);
  for (let written = 1; written <= 200; written++) {
    appendFileSync(file, "a");
    let seen = 0;
    while (seen < written) {
      await watched.changed(never);
      seen = statSync(file).size;
    }
  }
});

test("an abort ends the wait", async () => {
  using watched = watchFile(join(folder, "silent"));
  const stop = new AbortController();
  let ended = false;
  const waiting = (async () => {
    while (!stop.signal.aborted) await watched.changed(stop.signal);
    ended = true;
  })();
  expect(ended).toBe(false);
  stop.abort();
  await waiting;
  expect(ended).toBe(true);
});

import { afterAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
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

test("an abort ends the wait, other names do not", async () => {
  using watched = watchFile(join(folder, "silent"));
  const stop = new AbortController();
  let woken = false;
  const waiting = watched.changed(stop.signal).then(() => {
    woken = true;
  });
  using other = watchFile(join(folder, "noise"));
  writeFileSync(join(folder, "noise"), "");
  await other.changed(never);
  expect(woken).toBe(false);
  stop.abort();
  await waiting;
  expect(woken).toBe(true);
});

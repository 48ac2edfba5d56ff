import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openStore } from "./index.ts";

let folder: string;
let file: string;
const first = { id: "0001-a", sql: "CREATE TABLE a (name TEXT PRIMARY KEY) STRICT" };
const second = { id: "0002-b", sql: "ALTER TABLE a ADD COLUMN size INTEGER" };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-store-"));
  file = join(folder, "x.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("steps are applied once, in the order of their ids", () => {
  for (let round = 0; round < 2; round++) {
    using store = openStore(file, [second, first]);
    store.database.prepare("INSERT OR REPLACE INTO a (name, size) VALUES ('x', 1)").run();
  }
});

test("a step that was edited after it had been applied is refused, and nothing is changed", () => {
  openStore(file, [first])[Symbol.dispose]();
  const edited = { ...first, sql: "CREATE TABLE a (other TEXT PRIMARY KEY) STRICT" };
  expect(() => openStore(file, [edited, second])).toThrow("another build of Gantry");
  openStore(file, [first, second])[Symbol.dispose]();
});

test("a database from before steps had digests is taken over", () => {
  using database = new DatabaseSync(file);
  database.exec(`${first.sql}; CREATE TABLE migration (id TEXT PRIMARY KEY, applied_at TEXT NOT NULL) STRICT;
    INSERT INTO migration VALUES ('0001-a', '2026-01-01')`);
  openStore(file, [first, second])[Symbol.dispose]();
  expect(database.prepare("SELECT size FROM a").all()).toEqual([]);
});

test("what a transaction did is undone when it throws, and memory is told nothing", () => {
  using store = openStore(file, [first]);
  let told = false;
  const fail = () =>
    store.transaction(() => {
      store.database.exec("INSERT INTO a VALUES ('x')");
      store.afterCommit(() => {
        told = true;
      });
      throw new Error("no");
    });
  expect(fail).toThrow("no");
  expect(store.database.prepare("SELECT * FROM a").all()).toEqual([]);
  expect(told).toBe(false);
});

import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyedMutex, lockDatabaseFile, wallClockNs, writeFileAtomic } from "./index.ts";

test("the clock never stands still", () => {
  const times = Array.from({ length: 1000 }, wallClockNs);
  expect(times.every((time, i) => i === 0 || time > (times[i - 1] ?? 0n))).toBe(true);
});

test("holders of one key take turns, other keys do not wait", async () => {
  const mutex = keyedMutex();
  const order: string[] = [];
  const first = await mutex.acquire("a");
  const second = mutex.acquire("a").then((held) => {
    order.push("second");
    held[Symbol.dispose]();
  });
  await first.wanted;
  (await mutex.acquire("b"))[Symbol.dispose]();
  order.push("first");
  first[Symbol.dispose]();
  await second;
  expect(order).toEqual(["first", "second"]);
});

test("an atomic write replaces the file and leaves no other", () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-files-"));
  try {
    writeFileAtomic(join(folder, "x"), "one");
    writeFileAtomic(join(folder, "x"), "two");
    expect(readFileSync(join(folder, "x"), "utf8")).toBe("two");
    expect(readdirSync(folder)).toEqual(["x"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a lock is refused while a live process has it, and free once that was killed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-lock-"));
  const file = join(folder, "lock");
  const script = `import { lockDatabaseFile } from ${JSON.stringify(join(import.meta.dirname, "lock.ts"))};
      lockDatabaseFile(${JSON.stringify(file)}, "taken"); Bun.gc(true); console.log("held"); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const gone = new Promise((resolve) => holder.once("exit", resolve));
  try {
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    // Garbage collection in the holder, whose own code kept nothing of the lock, has not released it.
    expect(() => lockDatabaseFile(file, "taken")).toThrow("taken");
    holder.kill("SIGKILL");
    await gone;
    lockDatabaseFile(file, "taken")[Symbol.dispose]();
  } finally {
    holder.kill("SIGKILL");
    await gone;
    rmSync(folder, { recursive: true });
  }
});

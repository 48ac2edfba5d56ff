import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseDetachKeys } from "../units/index.ts";
import { DetachKeys } from "./detach-keys.ts";

async function type(keys: string | undefined, chunks: Buffer[]) {
  const filter = new DetachKeys(keys);
  let detached = false;
  filter.on("detach", () => {
    detached = true;
  });
  for (const chunk of chunks) filter.write(chunk);
  filter.end();
  const passed: Buffer[] = [];
  for await (const chunk of filter) passed.push(chunk);
  return { detached, passed: Buffer.concat(passed) };
}

test("ctrl-p ctrl-q detaches and is swallowed, also when split over two reads", async () => {
  const { detached, passed } = await type(undefined, [Buffer.from("ls\x10"), Buffer.from("\x11")]);
  expect(detached).toBe(true);
  expect(passed.toString()).toBe("ls");
});

test("a begun sequence that goes on otherwise is passed on whole", async () => {
  const { detached, passed } = await type(undefined, [Buffer.from("\x10"), Buffer.from("a")]);
  expect(detached).toBe(false);
  expect(passed.toString()).toBe("\x10a");
});

test("keys can be chosen", async () => {
  expect((await type("a,b", [Buffer.from("xab")])).detached).toBe(true);
  expect(parseDetachKeys("ctrl-@,ctrl-[,x")).toEqual([0, 27, 120]);
  expect(() => parseDetachKeys("ctrl-1")).toThrow("Invalid detach keys (ctrl-1) provided");
});

test("bytes without the sequence come through unchanged, however they are cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 20 })), async (chunks) => {
      const all = Buffer.concat(chunks);
      fc.pre(!all.includes(Buffer.from([0x10, 0x11])));
      const { passed } = await type(
        undefined,
        chunks.map((chunk) => Buffer.from(chunk)),
      );
      expect(passed.equals(all)).toBe(true);
    }),
  );
});

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type ContentStore, digestOf, openContentStore, parseDigest } from "./index.ts";

let root = "";
let content: ContentStore;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "gantry-content-"));
  content = await openContentStore(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const files = () => ({
  ingest: readdirSync(join(root, "ingest")),
  blobs: readdirSync(join(root, "blobs/sha256")),
});

test("a blob has the digest of its bytes, in whatever pieces they come", async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 700_000 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(pieces, async (chunks) => {
      const whole = Buffer.concat(chunks);
      await using ingest = await content.begin();
      for (const chunk of chunks) await ingest.write(chunk);
      const sealed = await ingest.seal({ digest: digestOf(whole), sizeBytes: whole.length });
      expect(readFileSync(ingest.readPath).equals(whole)).toBe(true);
      const blob = await ingest.commit();
      expect(blob.digest).toBe(sealed.digest);
      expect((await content.read(blob.digest, 1 << 30)).equals(whole)).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test("a blob lies where an OCI layout has it", async () => {
  const { digest } = await content.put(Buffer.from("hello"));
  expect(readFileSync(join(root, "blobs/sha256", digest.slice(7)), "utf8")).toBe("hello");
  expect(readFileSync(join(root, "oci-layout"), "utf8")).toBe('{"imageLayoutVersion":"1.0.0"}');
});

test("bytes that are not what was announced are refused and leave nothing", async () => {
  const wrong = [{ digest: digestOf("other") }, { sizeBytes: 4 }];
  for (const expected of wrong) {
    await using ingest = await content.begin();
    await ingest.write(Buffer.from("bytes"));
    await expect(ingest.seal(expected)).rejects.toMatchObject({ kind: "invalid" });
  }
  expect(files()).toEqual({ ingest: [], blobs: [] });
});

test("an ingest that is not committed leaves nothing", async () => {
  {
    await using ingest = await content.begin();
    await ingest.write(Buffer.from("half"));
    expect(files().ingest.length).toBe(1);
  }
  expect(files()).toEqual({ ingest: [], blobs: [] });
});

test("a sealed blob stays readable while it gets its name", async () => {
  await using ingest = await content.begin();
  await ingest.write(Buffer.from("steady"));
  await ingest.seal({});
  const before = ingest.path;
  const committed = ingest.commit();
  expect(readFileSync(ingest.readPath, "utf8")).toBe("steady");
  await committed;
  expect(ingest.path).not.toBe(before);
  expect(readFileSync(ingest.readPath, "utf8")).toBe("steady");
});

test("what another program wrote is taken when it has the size it reported", async () => {
  await using ingest = await content.begin();
  writeFileSync(ingest.path, "by someone else");
  await expect(ingest.sealWritten(digestOf("by someone else"), 3)).rejects.toThrow("its writer reported 3");
  await ingest.sealWritten(digestOf("by someone else"), 15);
  expect((await ingest.commit()).sizeBytes).toBe(15);
});

test("what a crash left half-written is removed at the next start", async () => {
  writeFileSync(join(root, "ingest", "1-1"), "half");
  await content.put(Buffer.from("whole"));
  await content.sweep();
  expect(files().ingest).toEqual([]);
  expect((await content.list()).map(({ digest }) => digest)).toEqual([digestOf("whole")]);
});

test("a deleted blob is gone, and deleting it again is no error", async () => {
  const { digest } = await content.put(Buffer.from("gone"));
  const deleting = content.delete(digest);
  expect(files().blobs).toEqual([]);
  await deleting;
  await content.delete(digest);
  expect(await content.find(digest)).toBeUndefined();
  await expect(content.open(digest)).rejects.toMatchObject({ kind: "not-found" });
  expect(files().ingest).toEqual([]);
});

test("a document longer than its bound is not read", async () => {
  const { digest } = await content.put(Buffer.from("0123456789"));
  await expect(content.read(digest, 9)).rejects.toMatchObject({ kind: "invalid" });
});

test("only sha256 with 64 digits is a digest: nothing else can become a path", () => {
  for (const text of [
    "sha256:../../etc",
    "sha512:00",
    `sha256:${"A".repeat(64)}`,
    `sha256:${"0".repeat(65)}`,
  ]) {
    expect(() => parseDigest(text)).toThrow("invalid digest");
  }
});

test("a part of a blob is kept until somebody goes on with it, also over a restart", async () => {
  const whole = Buffer.concat([Buffer.alloc(700_000, 1), Buffer.alloc(500_000, 2)]);
  const digest = digestOf(whole);
  {
    await using first = await content.resume(digest);
    expect(first.keptBytes).toBe(0);
    await first.write(whole.subarray(0, 700_000));
  }
  await content.sweep();
  content = await openContentStore(root);
  expect(await content.partials()).toEqual([{ digest, sizeBytes: 700_000 }]);
  await using second = await content.resume(digest);
  expect(second.keptBytes).toBe(700_000);
  expect(Buffer.concat(await Array.fromAsync(second.replay()))).toEqual(whole.subarray(0, 700_000));
  await second.write(whole.subarray(700_000));
  await second.seal({ digest, sizeBytes: whole.length });
  await second.commit();
  expect(await content.partials()).toEqual([]);
  expect(await content.read(digest, whole.length)).toEqual(whole);
});

test("a part that turned out to be wrong is not kept", async () => {
  const digest = digestOf("right");
  {
    await using ingest = await content.resume(digest);
    await ingest.write(Buffer.from("wrong"));
    await expect(ingest.seal({ digest, sizeBytes: 5 })).rejects.toThrow("does not match its digest");
  }
  expect(files().ingest).toEqual([]);
});

test("two who want the same blob go on one after the other; parts in use are not dropped", async () => {
  const digest = digestOf("x");
  const first = await content.resume(digest);
  await first.write(Buffer.from("y"));
  const second = content.resume(digest);
  expect(await content.dropPartials()).toBe(0);
  await first[Symbol.asyncDispose]();
  await using ingest = await second;
  expect(ingest.keptBytes).toBe(1);
  await ingest[Symbol.asyncDispose]();
  expect(await content.dropPartials()).toBe(1);
  expect(files().ingest).toEqual([]);
});

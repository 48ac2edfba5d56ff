import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GantryRegistry } from "./gantry-registry.ts";

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A file system of its own, which ends with the process. */
const onSmallDisk = (folder: string) => [
  ...["unshare", "--mount", "sh", "-ec"],
  'mount -n -t tmpfs -o size=6m tmpfs "$0"; exec "$@"',
  folder,
];

test("a push that fills the disk is told so, leaves the store as it was, and the next one succeeds", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-full-disk-"));
  try {
    await using registry = await GantryRegistry.start(folder, [], onSmallDisk(folder));
    const push = (bytes: Uint8Array<ArrayBuffer>) =>
      fetch(`${registry.url}/v2/a/blobs/uploads/?digest=${sha256(bytes)}`, { method: "POST", body: bytes });
    const kept = Buffer.alloc(1 << 20, "kept ");
    expect((await push(kept)).status).toBe(201);
    const large = Buffer.alloc(16 << 20, "too large ");
    const full = await push(large);
    expect([full.status, await full.text()]).toEqual([
      507,
      expect.stringContaining("the registry's disk is full"),
    ]);
    expect((await fetch(`${registry.url}/v2/a/blobs/${sha256(large)}`)).status).toBe(404);
    const again = Buffer.alloc(3 << 20, "fits ");
    expect((await push(again)).status).toBe(201);
    for (const bytes of [kept, again]) {
      const blob = await fetch(`${registry.url}/v2/a/blobs/${sha256(bytes)}`);
      expect(sha256(Buffer.from(await blob.arrayBuffer()))).toBe(sha256(bytes));
    }
    // The database grows, too: uploads are refused, not half done, and the registry goes on serving.
    const statuses = new Set<number>();
    for (let n = 0; n < 60; n++) statuses.add((await push(Buffer.alloc(100_000, `${n} `))).status);
    expect([...statuses].sort()).toEqual([201, 507]);
    expect((await fetch(`${registry.url}/v2/a/blobs/${sha256(kept)}`, { method: "HEAD" })).status).toBe(200);
    expect((await fetch(`${registry.url}/health`)).status).toBe(200);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

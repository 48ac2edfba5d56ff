import { expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { sha256, TestRegistry } from "./testing.ts";

test("200 clients push, pull, list and mount at once without an error", async () => {
  await using registry = await TestRegistry.start({ graceMs: 60_000 });
  const shared = Buffer.alloc(300_000, "shared layer ");
  const digest = sha256(shared);
  const clients = Array.from({ length: 200 }, async (_, n) => {
    const repository = `many/r${n % 20}`;
    const { digest: manifest, bytes } = await registry.pushImage(repository, `t${n}`);
    // All send the same blob, half of them by mounting when they can.
    if (n % 2 === 0) await registry.pushBlob(repository, shared);
    else await registry.request("POST", `/v2/${repository}/blobs/uploads/?mount=${digest}`);
    const get = await registry.get(`/v2/${repository}/manifests/t${n}`);
    expect([get.status, get.headers.get("docker-content-digest")]).toEqual([200, manifest]);
    expect(await get.text()).toBe(bytes);
    if (n % 2 === 1) await registry.pushBlob(repository, shared);
    const blob = await registry.get(`/v2/${repository}/blobs/${digest}`);
    expect(sha256(Buffer.from(await blob.arrayBuffer()))).toBe(digest);
    expect((await registry.get(`/v2/${repository}/tags/list`)).status).toBe(200);
  });
  const collecting = registry.server.collect();
  await Promise.all(clients);
  await collecting;
  const metrics = await (await registry.get("/metrics")).text();
  expect(metrics).not.toMatch(/status="5/);
  expect(metrics).toContain("gantry_registry_tags 200\n");
  expect(metrics).toContain("gantry_registry_upload_bytes 0\n");
});

test("200 readers that take a blob slowly cost little memory, and get all of it", async () => {
  await using registry = await TestRegistry.start();
  const sizeBytes = 4 << 20;
  const digest = await registry.pushBlob("many/large", Buffer.alloc(sizeBytes, "large blob "));
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  const readers = Array.from({ length: 200 }, () => connect(registry.port, "127.0.0.1"));
  const counts = readers.map(() => 0);
  await Promise.all(
    readers.map(async (socket, n) => {
      socket.write(`GET /v2/many/large/blobs/${digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      socket.on("data", (chunk) => {
        counts[n] = (counts[n] ?? 0) + chunk.length;
      });
      await once(socket, "data");
      socket.pause();
    }),
  );
  // Server and clients are one process here; whole blobs would be 800 MB.
  expect(process.memoryUsage.rss() - before).toBeLessThan(250 << 20);
  const ends = readers.map((socket) => once(socket, "close"));
  for (const [n, socket] of readers.entries()) {
    if (n % 4 === 0) socket.destroy();
    else socket.resume();
  }
  await Promise.all(ends);
  for (const [n, count] of counts.entries()) if (n % 4 !== 0) expect(count).toBeGreaterThan(sizeBytes);
  expect((await registry.get("/health")).status).toBe(200);
});

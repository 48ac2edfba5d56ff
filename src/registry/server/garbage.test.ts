import { expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codeOf, descriptor, OCI_INDEX, OCI_MANIFEST, sha256, TestRegistry } from "./testing.ts";

const files = (registry: TestRegistry) => readdirSync(join(registry.folder, "blobs/sha256"));
const hex = (digest: string) => digest.slice("sha256:".length);

test("blobs go when no manifest names them any more, also those that were never named", async () => {
  await using registry = await TestRegistry.start();
  const kept = await registry.pushImage("gc/a", "kept");
  const gone = await registry.pushImage("gc/a", "gone");
  await registry.pushBlob("gc/a", "never named");
  await registry.request("DELETE", `/v2/gc/a/manifests/${gone.digest}`);
  expect(files(registry).length).toBe(5);
  const collected = await registry.server.collect();
  expect(collected).toMatchObject({ blobs: 3, manifests: 0 });
  expect(files(registry).sort()).toEqual([kept.config, kept.layer].map(hex).sort());
  expect((await registry.get(`/v2/gc/a/blobs/${kept.layer}`)).status).toBe(200);
  const blob = await registry.get(`/v2/gc/a/blobs/${gone.layer}`);
  expect([blob.status, await codeOf(blob)]).toEqual([404, "BLOB_UNKNOWN"]);
});

test("a blob that another repository names stays there, and leaves where it is not named", async () => {
  await using registry = await TestRegistry.start();
  const { layer } = await registry.pushImage("gc/named", "x");
  await registry.request("POST", `/v2/gc/other/blobs/uploads/?mount=${layer}&from=gc/named`);
  await registry.server.collect();
  expect((await registry.get(`/v2/gc/named/blobs/${layer}`)).status).toBe(200);
  expect((await registry.get(`/v2/gc/other/blobs/${layer}`)).status).toBe(404);
});

test("within the grace time nothing goes: a push sends its blobs before its manifest", async () => {
  await using registry = await TestRegistry.start({ graceMs: 60_000, collectUntagged: true });
  const blob = await registry.pushBlob("gc/grace", "just pushed");
  const location = await registry.openUpload("gc/grace");
  await registry.request("PATCH", location, { body: "under way" });
  await registry.server.collect();
  expect((await registry.request("HEAD", `/v2/gc/grace/blobs/${blob}`)).status).toBe(200);
  expect((await registry.request("PUT", `${location}?digest=${sha256("under way")}`)).status).toBe(201);
});

test("untagged manifests go when asked for, with what only they led to; indexes and subjects keep theirs", async () => {
  await using registry = await TestRegistry.start({ collectUntagged: true });
  const child = await registry.pushImage("gc/u", "child");
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [descriptor(child.bytes, OCI_MANIFEST)],
  });
  await registry.pushManifest("gc/u", "index", index, OCI_INDEX);
  await registry.pushBlob("gc/u", "{}");
  const referrer = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: "application/x.sbom",
    config: descriptor("{}"),
    layers: [],
    subject: descriptor(index, OCI_INDEX),
  });
  await registry.pushManifest("gc/u", sha256(referrer), referrer);
  await registry.request("DELETE", "/v2/gc/u/manifests/child");
  expect(await registry.server.collect()).toMatchObject({ manifests: 0 });
  const status = async (digest: string) => (await registry.get(`/v2/gc/u/manifests/${digest}`)).status;
  expect(await Promise.all([child.digest, sha256(index), sha256(referrer)].map(status))).toEqual([
    200, 200, 200,
  ]);

  await registry.request("DELETE", "/v2/gc/u/manifests/index");
  expect(await registry.server.collect()).toMatchObject({ manifests: 3, blobs: 3 });
  expect(files(registry)).toEqual([]);
  const { repositories } = (await (await registry.get("/v2/_catalog")).json()) as { repositories: string[] };
  expect(repositories).toEqual([]);
});

test("uploads that stand still are cancelled", async () => {
  await using registry = await TestRegistry.start({ uploadExpiryMs: 0 });
  const location = await registry.openUpload("gc/uploads");
  await registry.request("PATCH", location, { body: "half" });
  await registry.server.collect();
  expect((await registry.get(location)).status).toBe(404);
  expect(readdirSync(join(registry.folder, "uploads"))).toEqual([]);
});

test("files without rows, as a crash leaves them, go", async () => {
  await using registry = await TestRegistry.start();
  const { layer } = await registry.pushImage("gc/orphans", "x");
  for (let n = 0; n < 150; n++)
    writeFileSync(join(registry.folder, "blobs/sha256", hex(sha256(`${n}`))), `${n}`);
  await registry.server.collect();
  expect(files(registry).length).toBe(2);
  expect(existsSync(join(registry.folder, "blobs/sha256", hex(layer)))).toBe(true);
});

test("collecting while images are pushed and deleted loses nothing", async () => {
  await using registry = await TestRegistry.start({ graceMs: 1000 });
  let pushing = true;
  const collecting = (async () => {
    let rounds = 0;
    for (; pushing; rounds++) await registry.server.collect();
    return rounds;
  })();
  const names = Array.from({ length: 40 }, (_, n) => `gc/busy${n % 8}`);
  await Promise.all(
    names.map(async (name, n) => {
      await registry.pushImage(name, `t${n % 5}`);
      if (n % 3 === 0) await registry.request("DELETE", `/v2/${name}/manifests/t${n % 5}`);
    }),
  );
  pushing = false;
  expect(await collecting).toBeGreaterThan(0);
  for (const [n, name] of names.entries()) {
    const path = `/v2/${name}/blobs/${sha256(`layer of ${name}:t${n % 5}`)}`;
    expect(await (await registry.get(path)).text()).toBe(`layer of ${name}:t${n % 5}`);
  }
});

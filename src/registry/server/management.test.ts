import { expect, test } from "bun:test";
import { codeOf, TestRegistry } from "./testing.ts";

/** The distribution-spec's workflow "content management", and the switches that limit it. */

test("deleting a tag leaves the manifest, deleting the manifest takes its tags", async () => {
  await using registry = await TestRegistry.start();
  const { digest, bytes } = await registry.pushImage("man/a", "one");
  for (const tag of ["two", "three"]) await registry.pushManifest("man/a", tag, bytes);
  const path = (reference: string) => `/v2/man/a/manifests/${reference}`;
  expect((await registry.request("DELETE", path("one"))).status).toBe(202);
  expect((await registry.get(path("one"))).status).toBe(404);
  expect((await registry.get(path(digest))).status).toBe(200);
  expect((await registry.request("DELETE", path(digest))).status).toBe(202);
  for (const reference of ["two", "three", digest])
    expect((await registry.get(path(reference))).status).toBe(404);
  const again = await registry.request("DELETE", path(digest));
  expect([again.status, await codeOf(again)]).toEqual([404, "MANIFEST_UNKNOWN"]);
  expect((await (await registry.get("/v2/man/a/tags/list")).json()) as object).toEqual({
    name: "man/a",
    tags: [],
  });
});

test("deleting a blob takes it from its repository only", async () => {
  await using registry = await TestRegistry.start();
  const blob = await registry.pushBlob("man/a", "shared");
  await registry.pushBlob("man/b", "shared");
  expect((await registry.request("DELETE", `/v2/man/a/blobs/${blob}`)).status).toBe(202);
  expect((await registry.get(`/v2/man/a/blobs/${blob}`)).status).toBe(404);
  expect((await registry.get(`/v2/man/b/blobs/${blob}`)).status).toBe(200);
  const again = await registry.request("DELETE", `/v2/man/a/blobs/${blob}`);
  expect([again.status, await codeOf(again)]).toEqual([404, "BLOB_UNKNOWN"]);
});

test("read-only mode serves and refuses", async () => {
  await using writable = await TestRegistry.start();
  const { digest, layer } = await writable.pushImage("man/ro", "v1");
  await writable.server[Symbol.asyncDispose]();
  await using registry = await TestRegistry.start({ storage: writable.folder, readOnly: true });
  expect((await registry.get("/v2/man/ro/manifests/v1")).status).toBe(200);
  for (const [method, path] of [
    ["POST", "/v2/man/ro/blobs/uploads/"],
    ["PUT", "/v2/man/ro/manifests/v2"],
    ["DELETE", `/v2/man/ro/manifests/${digest}`],
    ["DELETE", `/v2/man/ro/blobs/${layer}`],
  ] as const) {
    const answer = await registry.request(method, path);
    expect([path, answer.status, await codeOf(answer)]).toEqual([path, 405, "UNSUPPORTED"]);
  }
});

test("deletes can be disabled alone", async () => {
  await using registry = await TestRegistry.start({ deletes: false });
  await registry.pushImage("man/keep", "v1");
  expect((await registry.request("DELETE", "/v2/man/keep/manifests/v1")).status).toBe(405);
});

test("the quota refuses a push with a sentence, lets go of what was sent, and counts what is collected", async () => {
  await using registry = await TestRegistry.start({ quotaBytes: 100_000 });
  const blob = await registry.pushBlob("man/quota", Buffer.alloc(60_000, "a"));
  const location = await registry.openUpload("man/quota");
  const announced = await registry.request("PATCH", location, { body: Buffer.alloc(60_000, "b") });
  expect([announced.status, await codeOf(announced)]).toEqual([403, "DENIED"]);
  const second = await registry.openUpload("man/quota");
  const streamed = await registry.request("PATCH", second, {
    body: new Blob([Buffer.alloc(60_000, "b")]).stream(),
  });
  expect(streamed.status).toBe(403);
  expect(await streamed.text()).toContain("the registry's storage quota of 100kB does not allow this");
  expect((await registry.get(second)).status).toBe(404);
  await registry.request("DELETE", `/v2/man/quota/blobs/${blob}`);
  await registry.server.collect();
  await registry.pushBlob("man/quota", Buffer.alloc(60_000, "b"));
});

test("health and metrics", async () => {
  await using registry = await TestRegistry.start({ quotaBytes: 1_000_000 });
  await registry.pushImage("man/metrics", "v1");
  expect((await (await registry.get("/health")).json()) as object).toEqual({ status: "ok" });
  const text = await (await registry.get("/metrics")).text();
  expect(text).toContain('gantry_registry_requests_total{route="manifest",method="PUT",status="201"} 1');
  expect(text).toContain("gantry_registry_manifests 1\n");
  expect(text).toContain("gantry_registry_quota_bytes 1000000\n");
  expect(text).toMatch(/gantry_registry_request_seconds_bucket\{route="upload",le="\+Inf"\} 2/);
  for (const line of text.trimEnd().split("\n")) {
    expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^}]*\})? [0-9.e+-]+)$/);
  }
});

test("metrics on an address of their own are not served on the registry's", async () => {
  await using registry = await TestRegistry.start();
  const { url } = await registry.server.listen("127.0.0.1", 0, "metrics");
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
  expect((await fetch(`${url}/v2/`)).status).toBe(404);
  expect((await registry.get("/metrics")).status).toBe(404);
});

test("a second server on the same storage is refused", async () => {
  await using registry = await TestRegistry.start();
  expect(TestRegistry.start({ storage: registry.folder })).rejects.toThrow(
    "another registry server has the storage",
  );
});

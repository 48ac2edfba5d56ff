import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  codeOf,
  descriptor,
  manifestBytes,
  OCI_INDEX,
  OCI_MANIFEST,
  sha256,
  sha512,
  TestRegistry,
} from "./testing.ts";

/** The distribution-spec's workflow "push", in all its forms. */
let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start();
});
afterAll(() => registry[Symbol.asyncDispose]());

const bytes = Buffer.from("0123456789abcdefghij");
const digest = sha256(bytes);
const chunkHeaders = (range: string) => ({
  "content-range": range,
  "content-type": "application/octet-stream",
});

test("monolithic: POST, then PUT with the digest", async () => {
  const location = await registry.openUpload("push/mono");
  expect(location).toMatch(/^\/v2\/push\/mono\/blobs\/uploads\/[0-9a-f-]+$/);
  const put = await registry.request("PUT", `${location}?digest=${digest}`, { body: bytes });
  expect(put.status).toBe(201);
  expect(put.headers.get("location")).toBe(`/v2/push/mono/blobs/${digest}`);
  expect(put.headers.get("docker-content-digest")).toBe(digest);
  expect(await (await registry.get(`/v2/push/mono/blobs/${digest}`)).text()).toBe(bytes.toString());
  const again = await registry.get(location);
  expect([again.status, await codeOf(again)]).toEqual([404, "BLOB_UPLOAD_UNKNOWN"]);
});

test("monolithic: one POST with the digest", async () => {
  const post = await registry.request("POST", `/v2/push/single/blobs/uploads/?digest=${digest}`, {
    body: bytes,
  });
  expect(post.status).toBe(201);
  expect(
    (await registry.request("HEAD", post.headers.get("location") ?? "")).headers.get("content-length"),
  ).toBe("20");
});

test("an empty blob", async () => {
  expect(await registry.pushBlob("push/empty", "")).toBe(sha256(""));
  const get = await registry.get(`/v2/push/empty/blobs/${sha256("")}`);
  expect([get.status, await get.text()]).toEqual([200, ""]);
});

test("chunked: each chunk where the last one ended, status in between, the last chunk in PUT", async () => {
  const location = await registry.openUpload("push/chunks");
  const first = await registry.request("PATCH", location, {
    headers: chunkHeaders("0-7"),
    body: bytes.subarray(0, 8),
  });
  expect([first.status, first.headers.get("range")]).toEqual([202, "0-7"]);

  const outOfOrder = await registry.request("PATCH", location, {
    headers: chunkHeaders("10-19"),
    body: bytes.subarray(10),
  });
  expect([outOfOrder.status, outOfOrder.headers.get("range")]).toEqual([416, "0-7"]);

  const status = await registry.get(location);
  expect([status.status, status.headers.get("range"), status.headers.get("location")]).toEqual([
    204,
    "0-7",
    location,
  ]);

  const second = await registry.request("PATCH", location, {
    headers: chunkHeaders("8-15"),
    body: bytes.subarray(8, 16),
  });
  expect(second.headers.get("range")).toBe("0-15");
  const wrongEnd = await registry.request("PUT", `${location}?digest=${digest}`, {
    headers: chunkHeaders("12-19"),
    body: bytes.subarray(12),
  });
  expect(wrongEnd.status).toBe(416);
  const put = await registry.request("PUT", `${location}?digest=${digest}`, {
    headers: chunkHeaders("16-19"),
    body: bytes.subarray(16),
  });
  expect(put.status).toBe(201);
  expect(await (await registry.get(`/v2/push/chunks/blobs/${digest}`)).text()).toBe(bytes.toString());
});

test.each([
  ["shorter than its range says", "0-9", bytes.subarray(0, 4)],
  ["longer than its range says", "0-2", bytes.subarray(0, 4)],
])("a chunk %s leaves the upload as it was", async (_name, range, body) => {
  const location = await registry.openUpload("push/lengths");
  const announced = await registry.request("PATCH", location, { headers: chunkHeaders(range), body });
  expect([announced.status, await codeOf(announced)]).toEqual([400, "SIZE_INVALID"]);
  const stream = new Blob([body]).stream();
  const streamed = await registry.request("PATCH", location, { headers: chunkHeaders(range), body: stream });
  expect([streamed.status, await codeOf(streamed)]).toEqual([400, "SIZE_INVALID"]);
  const put = await registry.request("PUT", `${location}?digest=${digest}`, { body: bytes });
  expect(put.status).toBe(201);
});

test.each(["bytes 0-9", "0-", "a-b", "9-0", "-1-5"])("Content-Range %p is refused", async (range) => {
  const location = await registry.openUpload("push/ranges");
  const answer = await registry.request("PATCH", location, { headers: chunkHeaders(range), body: bytes });
  expect([answer.status, await codeOf(answer)]).toEqual([416, "BLOB_UPLOAD_INVALID"]);
});

test("streamed: PATCHes without range or length append", async () => {
  const location = await registry.openUpload("push/stream");
  for (const part of [bytes.subarray(0, 5), bytes.subarray(5)]) {
    const patch = await registry.request("PATCH", location, { body: new Blob([part]).stream() });
    expect(patch.status).toBe(202);
  }
  expect((await registry.request("PUT", `${location}?digest=${digest}`)).status).toBe(201);
});

test("an upload that is cancelled is gone", async () => {
  const location = await registry.openUpload("push/cancel");
  await registry.request("PATCH", location, { body: bytes });
  expect((await registry.request("DELETE", location)).status).toBe(204);
  expect((await registry.get(location)).status).toBe(404);
  expect((await registry.request("DELETE", location)).status).toBe(404);
});

test("a location belongs to its repository", async () => {
  const location = await registry.openUpload("push/mine");
  const other = location.replace("push/mine", "push/yours");
  expect((await registry.get(other)).status).toBe(404);
});

test("bytes that do not fit the digest are refused, and nothing stays", async () => {
  const location = await registry.openUpload("push/wrong");
  const put = await registry.request("PUT", `${location}?digest=${sha256("other")}`, { body: bytes });
  expect([put.status, await codeOf(put)]).toEqual([400, "DIGEST_INVALID"]);
  expect((await registry.request("HEAD", `/v2/push/wrong/blobs/${sha256("other")}`)).status).toBe(404);
  expect((await registry.get(location)).status).toBe(404);
});

test.each(["", "?digest=", "?digest=md5:abc", "?digest=sha256:ABC"])(
  "PUT with %p has no digest",
  async (query) => {
    const location = await registry.openUpload("push/nodigest");
    const put = await registry.request("PUT", `${location}${query}`, { body: bytes });
    expect([put.status, await codeOf(put)]).toEqual([400, "DIGEST_INVALID"]);
  },
);

test.each(["", "?digest-algorithm=sha512"])("sha512, announced as %p", async (query) => {
  const location = await registry.openUpload("push/sha512", query);
  await registry.request("PATCH", location, { body: bytes.subarray(0, 7) });
  const put = await registry.request("PUT", `${location}?digest=${sha512(bytes)}`, {
    body: bytes.subarray(7),
  });
  expect(put.status).toBe(201);
  expect(put.headers.get("docker-content-digest")).toBe(sha512(bytes));
  expect(await (await registry.get(`/v2/push/sha512/blobs/${sha512(bytes)}`)).text()).toBe(bytes.toString());
});

test("an unknown digest algorithm is refused", async () => {
  const answer = await registry.request("POST", "/v2/push/md5/blobs/uploads/?digest-algorithm=md5");
  expect([answer.status, await codeOf(answer)]).toEqual([400, "DIGEST_INVALID"]);
});

test("mount: from a repository, from any, and an ordinary upload when nobody has it", async () => {
  const blob = await registry.pushBlob("push/source", "mounted bytes");
  const post = (query: string) => registry.request("POST", `/v2/push/target/blobs/uploads/?mount=${query}`);
  const missing = await post(`${blob}&from=push/elsewhere`);
  expect(missing.status).toBe(202);
  expect(missing.headers.get("location")).toContain("/blobs/uploads/");
  expect((await registry.request("HEAD", `/v2/push/target/blobs/${blob}`)).status).toBe(404);
  const mounted = await post(`${blob}&from=push/source`);
  expect([mounted.status, mounted.headers.get("location")]).toEqual([201, `/v2/push/target/blobs/${blob}`]);
  expect(await (await registry.get(`/v2/push/target/blobs/${blob}`)).text()).toBe("mounted bytes");
  const automatic = await registry.request("POST", `/v2/push/third/blobs/uploads/?mount=${blob}`);
  expect(automatic.status).toBe(201);
  expect((await post(sha256("nowhere"))).status).toBe(202);
});

test("a manifest is kept byte for byte, by tag and by digest", async () => {
  const { digest: manifest, bytes: text } = await registry.pushImage("push/image", "v1");
  for (const reference of ["v1", manifest]) {
    const get = await registry.get(`/v2/push/image/manifests/${reference}`);
    expect([get.status, get.headers.get("content-type")]).toEqual([200, OCI_MANIFEST]);
    expect(get.headers.get("docker-content-digest")).toBe(manifest);
    expect(await get.text()).toBe(text);
  }
  const byDigest = await registry.pushManifest("push/image", manifest, text);
  expect([byDigest.status, byDigest.headers.get("location")]).toEqual([
    201,
    `/v2/push/image/manifests/${manifest}`,
  ]);
  const wrong = await registry.pushManifest("push/image", sha256("other"), text);
  expect([wrong.status, await codeOf(wrong)]).toEqual([400, "DIGEST_INVALID"]);
  const long = await registry.pushManifest("push/image", sha512(text), text);
  expect([long.status, long.headers.get("docker-content-digest")]).toEqual([201, sha512(text)]);
  expect(await (await registry.get(`/v2/push/image/manifests/${sha512(text)}`)).text()).toBe(text);
});

test("a manifest needs its blobs, an index its manifests, both of the right size", async () => {
  const { bytes: text, digest: child } = await registry.pushImage("push/needs", "child");
  const lacking = await registry.pushManifest("push/needs", "x", manifestBytes("{}", ["not here"]));
  expect([lacking.status, await codeOf(lacking)]).toEqual([404, "MANIFEST_BLOB_UNKNOWN"]);
  const index = (entry: object) =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [{ ...descriptor(text, OCI_MANIFEST), ...entry }],
    });
  expect((await registry.pushManifest("push/needs", "index", index({}), OCI_INDEX)).status).toBe(201);
  const orphan = await registry.pushManifest("push/needs", "x", index({ digest: sha256("?") }), OCI_INDEX);
  expect(await codeOf(orphan)).toBe("MANIFEST_BLOB_UNKNOWN");
  const sized = await registry.pushManifest("push/needs", "x", index({ size: 5 }), OCI_INDEX);
  expect([sized.status, await codeOf(sized)]).toEqual([400, "MANIFEST_INVALID"]);
  expect(child).toBe(sha256(text));
});

test("a manifest pushed by its digest takes any number of tags", async () => {
  const { digest: manifest, bytes: text } = await registry.pushImage("push/tags", "first");
  const put = (query: string) => registry.pushManifest("push/tags", `${manifest}?${query}`, text);
  const answer = await put("tag=1.2.3&tag=1.2&tag=latest");
  expect([answer.status, answer.headers.get("oci-tag")]).toEqual([201, "1.2.3, 1.2, latest"]);
  const list = (await (await registry.get("/v2/push/tags/tags/list")).json()) as { tags: string[] };
  expect(list.tags).toEqual(["1.2", "1.2.3", "first", "latest"]);
  const bad = await put("tag=ok&tag=../x");
  expect([bad.status, await codeOf(bad)]).toEqual([400, "TAG_INVALID"]);
  expect((await registry.get("/v2/push/tags/manifests/ok")).status).toBe(404);
});

test("lists without entries may be null", async () => {
  await registry.pushBlob("push/null", "{}");
  expect(
    (await registry.pushManifest("push/null", "a", manifestBytes("{}", [], { layers: null }))).status,
  ).toBe(201);
  const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: null });
  expect((await registry.pushManifest("push/null", "b", index, OCI_INDEX)).status).toBe(201);
});

test("foreign layers are fetched from elsewhere, so they need not be here", async () => {
  const config = "{}";
  await registry.pushBlob("push/foreign", config);
  const layer = {
    ...descriptor("elsewhere", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    urls: ["https://x"],
  };
  expect(
    (await registry.pushManifest("push/foreign", "a", manifestBytes(config, [], { layers: [layer] }))).status,
  ).toBe(201);
});

test("manifests of Docker's schema 2, and its lists", async () => {
  const types = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
  ];
  const [image = "", listType = ""] = types;
  await registry.pushBlob("push/docker", "{}");
  const text = manifestBytes("{}", [], { mediaType: image });
  expect((await registry.pushManifest("push/docker", "a", text, image)).status).toBe(201);
  const manifests = [{ ...descriptor(text, image), platform: { os: "linux", architecture: "amd64" } }];
  const list = JSON.stringify({ schemaVersion: 2, mediaType: listType, manifests });
  expect((await registry.pushManifest("push/docker", "all", list, `${listType}; charset=utf-8`)).status).toBe(
    201,
  );
  expect((await registry.get("/v2/push/docker/manifests/all")).headers.get("content-type")).toBe(listType);
});

test("a manifest may have 4 MiB and no more", async () => {
  await registry.pushBlob("push/large", "{}");
  const text = manifestBytes("{}", []);
  const limit = 4 * 1024 * 1024;
  const padded = (size: number) => text + " ".repeat(size - text.length);
  expect((await registry.pushManifest("push/large", "a", padded(limit))).status).toBe(201);
  const over = await registry.pushManifest("push/large", "a", padded(limit + 1));
  expect([over.status, await codeOf(over)]).toEqual([413, "SIZE_INVALID"]);
});

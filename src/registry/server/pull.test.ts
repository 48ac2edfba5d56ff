import { afterAll, beforeAll, expect, test } from "bun:test";
import { codeOf, OCI_INDEX, OCI_MANIFEST, sha256, TestRegistry } from "./testing.ts";

/** The distribution-spec's workflow "pull". */
let registry: TestRegistry;
let image: Awaited<ReturnType<TestRegistry["pushImage"]>>;
const name = "pull/image";
const layer = `layer of ${name}:v1`;
beforeAll(async () => {
  registry = await TestRegistry.start();
  image = await registry.pushImage(name, "v1");
});
afterAll(() => registry[Symbol.asyncDispose]());

test("the version check", async () => {
  for (const path of ["/v2/", "/v2"]) {
    const get = await registry.get(path);
    expect([get.status, get.headers.get("docker-distribution-api-version")]).toEqual([200, "registry/2.0"]);
  }
});

test("HEAD says what GET would", async () => {
  for (const path of [
    `/v2/${name}/manifests/v1`,
    `/v2/${name}/manifests/${image.digest}`,
    `/v2/${name}/blobs/${image.layer}`,
  ]) {
    const [head, get] = [await registry.request("HEAD", path), await registry.get(path)];
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
    const body = await get.text();
    expect(head.headers.get("content-length")).toBe(String(body.length));
    for (const header of ["content-type", "docker-content-digest", "etag"]) {
      expect(head.headers.get(header)).toBe(get.headers.get(header));
    }
    expect(get.headers.get("docker-content-digest")).toBe(sha256(body));
  }
});

test("what is not there is told with its code", async () => {
  const none = sha256("none");
  const expected: [string, number, string][] = [
    [`/v2/${name}/manifests/none`, 404, "MANIFEST_UNKNOWN"],
    [`/v2/${name}/manifests/${none}`, 404, "MANIFEST_UNKNOWN"],
    [`/v2/${name}/blobs/${none}`, 404, "BLOB_UNKNOWN"],
    [`/v2/pull/other/blobs/${image.layer}`, 404, "BLOB_UNKNOWN"],
    ["/v2/pull/nothing/tags/list", 404, "NAME_UNKNOWN"],
    [`/v2/${name}/blobs/sha256:short`, 400, "DIGEST_INVALID"],
    [`/v2/${name}/manifests/md5:abc`, 400, "DIGEST_INVALID"],
    [`/v2/${name}/manifests/.hidden`, 400, "TAG_INVALID"],
    ["/v2/UPPER/manifests/v1", 400, "NAME_INVALID"],
    ["/v3/", 404, "UNSUPPORTED"],
    [`/v2/${name}/tags/other`, 404, "UNSUPPORTED"],
  ];
  for (const [path, status, code] of expected) {
    const answer = await registry.get(path);
    expect([path, answer.status, await codeOf(answer)]).toEqual([path, status, code]);
    expect((await registry.request("HEAD", path)).status).toBe(status);
  }
});

test("a method that a target lacks is told with those it has", async () => {
  const answer = await registry.request("POST", `/v2/${name}/manifests/v1`);
  expect([answer.status, answer.headers.get("allow"), await codeOf(answer)]).toEqual([
    405,
    "GET, HEAD, PUT, DELETE",
    "UNSUPPORTED",
  ]);
});

test.each([
  [OCI_MANIFEST, 200],
  ["*/*", 200],
  ["application/*", 200],
  [`${OCI_INDEX}, ${OCI_MANIFEST};q=0.5`, 200],
  [OCI_INDEX, 404],
  [`${OCI_MANIFEST};q=0`, 404],
])("Accept %p of a tag gives %d", async (accept, status) => {
  const answer = await registry.get(`/v2/${name}/manifests/v1`, { accept });
  expect(answer.status).toBe(status);
  expect((await registry.get(`/v2/${name}/manifests/${image.digest}`, { accept })).status).toBe(200);
});

test.each([
  ["bytes=0-4", 206, "bytes 0-4/22", layer.slice(0, 5)],
  ["bytes=5-", 206, "bytes 5-21/22", layer.slice(5)],
  ["bytes=-3", 206, "bytes 19-21/22", layer.slice(-3)],
  ["bytes=-999", 206, "bytes 0-21/22", layer],
  ["bytes=0-999", 206, "bytes 0-21/22", layer],
  ["bytes=22-", 416, "bytes */22", undefined],
  ["bytes=-0", 416, "bytes */22", undefined],
  ["bytes=5-2", 200, null, layer],
  ["bytes=0-1,3-4", 200, null, layer],
  ["lines=0-1", 200, null, layer],
  ["bytes=", 200, null, layer],
  [`bytes=${"9".repeat(40)}-`, 200, null, layer],
])("Range %p", async (range, status, contentRange, body) => {
  const answer = await registry.get(`/v2/${name}/blobs/${image.layer}`, { range });
  expect([answer.status, answer.headers.get("content-range")]).toEqual([status, contentRange]);
  if (body !== undefined) expect(await answer.text()).toBe(body);
});

test("If-Range with another entity gives the whole", async () => {
  const path = `/v2/${name}/blobs/${image.layer}`;
  const range = "bytes=0-4";
  expect((await registry.get(path, { range, "if-range": `"${image.layer}"` })).status).toBe(206);
  expect((await registry.get(path, { range, "if-range": '"other"' })).status).toBe(200);
});

test("If-None-Match saves the body", async () => {
  for (const [path, digest] of [
    [`/v2/${name}/manifests/v1`, image.digest],
    [`/v2/${name}/blobs/${image.layer}`, image.layer],
  ]) {
    for (const match of [`"${digest}"`, `W/"${digest}"`, `"other", "${digest}"`, "*"]) {
      const answer = await registry.get(path ?? "", { "if-none-match": match });
      expect([answer.status, await answer.text(), answer.headers.get("etag")]).toEqual([
        304,
        "",
        `"${digest}"`,
      ]);
    }
    expect((await registry.get(path ?? "", { "if-none-match": '"other"' })).status).toBe(200);
  }
});

test("a digest may come percent-encoded", async () => {
  expect((await registry.get(`/v2/${name}/blobs/${image.layer.replace(":", "%3A")}`)).status).toBe(200);
  expect((await registry.get("/v2/pull%2Fimage/tags/list")).status).toBe(200);
});

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { LogFields } from "../../log/index.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import {
  codeOf,
  descriptor,
  manifestBytes,
  OCI_INDEX,
  OCI_MANIFEST,
  SILENT,
  sha256,
  TestRegistry,
} from "./testing.ts";

/** What a registry on a network is sent by people who wish it ill. */
let registry: TestRegistry;
beforeAll(async () => {
  registry = await TestRegistry.start();
});
afterAll(() => registry[Symbol.asyncDispose]());

const head = (line: string, ...headers: string[]) =>
  `${[`${line} HTTP/1.1`, "Host: x", ...headers].join("\r\n")}\r\n\r\n`;
const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
const complete = (text: string) => text.includes("\r\n\r\n");

test.each([
  "/v2/../../etc/passwd/manifests/x",
  "/v2/a/../../b/blobs/uploads/",
  "/v2/%2e%2e/%2e%2e/etc/manifests/x",
  "/v2/a%2f..%2fb/tags/list",
  "/v2/a/manifests/..%2f..%2fx",
  "/v2/a/manifests/%00",
  "/v2/a%00b/tags/list",
  "/v2/a/blobs/sha256:../../../../etc/passwd",
  `/v2/a/blobs/sha256:${"A".repeat(64)}`,
  "/v2//manifests/x",
  "/v2/a//b/tags/list",
  "/v2/%zz/tags/list",
  `/v2/${"a/".repeat(200)}a/tags/list`,
  `/v2/${"a".repeat(5000)}/tags/list`,
])("the path %p leads nowhere", async (path) => {
  const answer = await registry.raw([head(`GET ${path}`)], complete);
  expect([400, 404]).toContain(statusOf(answer));
});

test("an upload's id is no path", async () => {
  const location = await registry.openUpload("hostile/upload");
  const id = location.split("/").at(-1) ?? "";
  for (const other of ["..%2f..%2fregistry.db", "%2e%2e", `..%2fuploads%2f${id}`]) {
    const answer = await registry.raw(
      [head(`PATCH ${location.replace(id, other)}`, "Content-Length: 0")],
      complete,
    );
    expect([400, 404, 405]).toContain(statusOf(answer));
  }
  expect(readdirSync(registry.folder).sort()).toEqual([
    "blobs",
    "registry.db",
    "registry.db-shm",
    "registry.db-wal",
    "server.lock",
    "server.lock-journal",
    "uploads",
  ]);
});

test("names that a program could take for its own are names like others", async () => {
  for (const name of ["constructor", "toString", "hasownproperty"]) {
    expect(statusOf(await registry.raw([head(`GET /v2/${name.toLowerCase()}/tags/list`)], complete))).toBe(
      404,
    );
    expect(statusOf(await registry.raw([head(`GET /${name}`)], complete))).toBe(404);
  }
  const bytes = '{"schemaVersion":2,"__proto__":{"layers":[]},"config":{}}';
  const put = await registry.pushManifest("hostile/proto", "x", bytes);
  expect([put.status, await codeOf(put)]).toEqual([400, "MANIFEST_INVALID"]);
});

test("a head of endless length is cut", async () => {
  const answer = await registry.raw([`GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(200_000)}`]);
  expect([0, 431]).toContain(statusOf(answer));
  expect((await registry.get("/v2/")).status).toBe(200);
});

test.each([
  ["two lengths", ["Content-Length: 3", "Content-Length: 4"]],
  ["a length and chunks", ["Content-Length: 3", "Transfer-Encoding: chunked"]],
  ["a length that is no number", ["Content-Length: 3x"]],
  ["a negative length", ["Content-Length: -1"]],
])("%s are no request (smuggling)", async (_name, headers) => {
  const location = await registry.openUpload("hostile/smuggle");
  const answer = await registry.raw([head(`PATCH ${location}`, ...headers), "3\r\nabc\r\n0\r\n\r\n"]);
  expect([0, 400]).toContain(statusOf(answer));
  expect((await registry.get(location)).headers.get("range")).toBe("0-0");
});

test("a body that ends before its announced length is no blob, and the upload can be gone on with", async () => {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const log = {
    ...SILENT,
    info: (_message: string, fields?: LogFields) => fields?.method === "PATCH" && resolve(),
  };
  await using own = await TestRegistry.start({ log });
  const location = await own.openUpload("hostile/short");
  const bytes = "only these";
  using connection = own.connect();
  connection.socket.write(head(`PATCH ${location}`, "Content-Length: 1000"));
  connection.socket.end(bytes);
  await ended;
  expect((await own.request("HEAD", `/v2/hostile/short/blobs/${sha256(bytes)}`)).status).toBe(404);
  // How much of it was taken depends on when the end was noticed; the status tells.
  const range = (await own.get(location)).headers.get("range");
  const taken = range === "0-9" ? bytes.length : 0;
  const rest = await own.request("PUT", `${location}?digest=${sha256(`${bytes}!`)}`, {
    body: `${bytes}!`.slice(taken),
  });
  expect([range === "0-0" || range === "0-9", rest.status]).toEqual([true, 201]);
});

test("bytes behind the announced length are not the body's", async () => {
  const location = await registry.openUpload("hostile/long");
  const answer = await registry.raw([head(`PATCH ${location}`, "Content-Length: 3"), "abcDEF"], complete);
  expect(answer).toContain("Range: 0-2");
});

test("a refused body is not read to its end, and its sender gets the answer", async () => {
  await using limited = await TestRegistry.start({ quotaBytes: 1000 });
  const location = await limited.openUpload("hostile/refused");
  const started = performance.now();
  const answer = await limited.raw([
    head(`PATCH ${location}`, "Content-Length: 99999999999"),
    Buffer.alloc(1 << 18),
  ]);
  expect(statusOf(answer)).toBe(403);
  expect(answer).toContain("Connection: close");
  expect(performance.now() - started).toBeLessThan(10_000);
});

test.each([
  ["no JSON", "{"],
  ["no UTF-8", Buffer.from([0x7b, 0xff, 0x7d])],
  ["a list", "[]"],
  ["nothing", ""],
  ["nesting without end", "[".repeat(1_000_000)],
  ["nesting in an object", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`],
  ["a million objects", `{"schemaVersion":2,"layers":[${"{},".repeat(1_000_000)}{}]}`],
  ["schema 1", '{"schemaVersion":1}'],
  ["no layers", `{"schemaVersion":2,"config":${JSON.stringify(descriptor("{}"))}}`],
  ["a path as digest", manifestBytes("{}", [], { layers: [{ ...descriptor(""), digest: "sha256:../x" }] })],
  ["a size below zero", manifestBytes("{}", [], { layers: [{ ...descriptor(""), size: -1 }] })],
  ["a size that is no number", manifestBytes("{}", [], { layers: [{ ...descriptor(""), size: "1" }] })],
  ["another media type than announced", manifestBytes("{}", [], { mediaType: OCI_INDEX })],
  ["layers and manifests", manifestBytes("{}", [], { manifests: [] })],
  ["annotations of numbers", manifestBytes("{}", [], { annotations: { a: 1 } })],
  ["huge annotations", manifestBytes("{}", [], { annotations: { a: "x".repeat(100_000) } })],
])("a manifest of %s is invalid", async (_name, bytes) => {
  await registry.pushBlob("hostile/manifest", "{}");
  const answer = await registry.request("PUT", "/v2/hostile/manifest/manifests/x", {
    headers: { "content-type": OCI_MANIFEST },
    body: bytes,
  });
  expect([answer.status, await codeOf(answer)]).toEqual([400, "MANIFEST_INVALID"]);
});

test.each(["text/html", "application/json", "application/vnd.docker.distribution.manifest.v1+prettyjws"])(
  "a manifest announced as %p is invalid",
  async (type) => {
    const answer = await registry.pushManifest("hostile/type", "x", manifestBytes("{}", []), type);
    expect([answer.status, await codeOf(answer)]).toEqual([400, "MANIFEST_INVALID"]);
  },
);

test("brackets within strings are not nesting", async () => {
  await registry.pushBlob("hostile/strings", "{}");
  const annotations = { a: `${"[{".repeat(10_000)}\\"` };
  expect(
    (await registry.pushManifest("hostile/strings", "x", manifestBytes("{}", [], { annotations }))).status,
  ).toBe(201);
});

test("clients beyond the limit are turned away, and let in when others left", async () => {
  await using small = await TestRegistry.start({ limits: { ...DEFAULT_LIMITS, maxConnections: 1 } });
  {
    using first = small.connect();
    first.socket.write(head("GET /v2/"));
    expect(statusOf(await first.until(complete))).toBe(200);
    expect(await small.raw([head("GET /v2/")])).toBe("");
    first.socket.end();
    await first.until();
  }
  expect(statusOf(await small.raw([head("GET /v2/")], complete))).toBe(200);
});

test("only so many uploads may be open at once", async () => {
  await using small = await TestRegistry.start({ limits: { ...DEFAULT_LIMITS, maxUploads: 2 } });
  const [first] = [await small.openUpload("hostile/many"), await small.openUpload("hostile/many")];
  const third = await small.request("POST", "/v2/hostile/many/blobs/uploads/");
  expect([third.status, await codeOf(third)]).toEqual([429, "TOOMANYREQUESTS"]);
  await small.request("DELETE", first);
  await small.openUpload("hostile/many");
});

test("who sends a head, or a body, drop by drop is cut", async () => {
  const limits = { ...DEFAULT_LIMITS, headMs: 300, bodyWindowMs: 300 };
  await using strict = await TestRegistry.start({ limits });
  const location = await strict.openUpload("hostile/slow");
  for (const [start, drop] of [
    ["GET /v2/ HTTP/1.1\r\nHost: x\r\n", "A: b\r\n"],
    [head(`PATCH ${location}`, "Content-Length: 100000"), "x"],
  ] as const) {
    using connection = strict.connect();
    connection.socket.write(start);
    const drops = setInterval(() => connection.socket.write(drop), 50);
    await connection.until();
    clearInterval(drops);
  }
  expect((await strict.request("PATCH", location, { body: "goes on" })).status).toBe(202);
});

test("a connection on which nothing moves is cut, also one that does not read", async () => {
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  const log = {
    ...SILENT,
    info: (_message: string, fields?: LogFields) => fields?.method === "GET" && resolve(),
  };
  await using strict = await TestRegistry.start({ limits: { ...DEFAULT_LIMITS, idleMs: 500 }, log });
  const digest = await strict.pushBlob("hostile/unread", Buffer.alloc(32 << 20, "x"));
  using unread = strict.connect();
  unread.socket.pause();
  unread.socket.write(head(`GET /v2/hostile/unread/blobs/${digest}`));
  using silent = strict.connect();
  expect(await silent.until()).toBe("");
  await answered;
});

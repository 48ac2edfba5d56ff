import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { htpasswdAccess } from "./access/htpasswd.ts";
import { codeOf, descriptor, manifestBytes, OCI_MANIFEST, SILENT, sha256, TestRegistry } from "./testing.ts";

/** Requests that the registry behind a cache answered, by target and method. */
async function asked(registry: TestRegistry, route: string, method: string): Promise<number> {
  const text = await (await registry.get("/metrics")).text();
  const lines = text.matchAll(/requests_total\{route="(\w+)",method="(\w+)",status="\d+"\} (\d+)/g);
  return [...lines]
    .filter(([, r, m]) => r === route && m === method)
    .reduce((sum, [, , , n]) => sum + Number(n), 0);
}

const cacheOf = (upstream: { url: string }, freshMs = 0, more = {}) =>
  TestRegistry.start({ upstream: { url: upstream.url, freshMs }, ...more });

test("what is asked for comes from upstream, is kept, and is served while upstream is down", async () => {
  await using upstream = await TestRegistry.start();
  const image = await upstream.pushImage("team/app", "v1");
  await using cache = await cacheOf(upstream);
  const pull = async () => {
    const manifest = await cache.get("/v2/team/app/manifests/v1");
    expect([manifest.status, manifest.headers.get("docker-content-digest")]).toEqual([200, image.digest]);
    expect([manifest.headers.get("content-type"), await manifest.text()]).toEqual([
      OCI_MANIFEST,
      image.bytes,
    ]);
    const blob = await cache.get(`/v2/team/app/blobs/${image.layer}`);
    expect([blob.status, await blob.text()]).toEqual([200, "layer of team/app:v1"]);
    return manifest.headers.get("warning");
  };
  expect(await pull()).toBeNull();
  expect(await pull()).toBeNull();
  expect([await asked(upstream, "manifest", "GET"), await asked(upstream, "blob", "GET")]).toEqual([1, 1]);
  expect((await (await cache.get("/v2/team/app/tags/list")).json()) as object).toEqual({
    name: "team/app",
    tags: ["v1"],
  });
  await upstream.server[Symbol.asyncDispose]();

  expect(await pull()).toContain("110");
  expect((await cache.get(`/v2/team/app/manifests/${image.digest}`)).status).toBe(200);
  expect((await (await cache.get("/v2/team/app/tags/list")).json()) as object).toEqual({
    name: "team/app",
    tags: ["v1"],
  });
  const never = await cache.get("/v2/team/app/manifests/v2");
  expect([never.status, await codeOf(never)]).toEqual([503, "UNAVAILABLE"]);
});

test("a tag that moved, or is gone, is noticed; within its fresh time nobody asks", async () => {
  await using upstream = await TestRegistry.start();
  await upstream.pushImage("app", "v1");
  await using cache = await cacheOf(upstream);
  await using lazy = await cacheOf(upstream, 60_000);
  const digest = async (registry: TestRegistry) =>
    (await registry.get("/v2/app/manifests/v1")).headers.get("docker-content-digest");
  const first = await digest(cache);
  expect(await digest(lazy)).toBe(first);
  const moved = await upstream.pushImage("app", "v1", { annotations: { new: "yes" } });
  expect(await digest(cache)).toBe(moved.digest);
  expect(await digest(lazy)).toBe(first);
  await upstream.request("DELETE", "/v2/app/manifests/v1");
  expect((await cache.get("/v2/app/manifests/v1")).status).toBe(404);
  expect((await lazy.get("/v2/app/manifests/v1")).status).toBe(200);
});

test("clients that want one blob share one download, and see it while it arrives", async () => {
  const blob = Buffer.alloc(3 << 20, "slowly coming blob ");
  const digest = sha256(blob);
  const { promise: half, resolve: goOn } = Promise.withResolvers<void>();
  let downloads = 0;
  await using upstream = await startServer((path, respond, method) => {
    if (!path.endsWith(digest)) return respond(404);
    if (method === "HEAD") return respond(200, undefined, blob.length);
    downloads++;
    respond(200, blob.subarray(0, 2 << 20), blob.length);
    half.then(() => respond(0, blob.subarray(2 << 20)));
  });
  await using cache = await cacheOf(upstream);
  // From two repositories, both of which have the blob upstream.
  const ask = (n: number) => cache.get(`/v2/${n < 5 ? "a" : "b"}/blobs/${digest}`);
  const readers = await Promise.all(Array.from({ length: 10 }, (_, n) => ask(n)));
  const bodies = readers.map(async (answer) => {
    const reader = answer.body?.getReader();
    const first = await reader?.read();
    return { reader, first: Buffer.from(first?.value ?? []) };
  });
  // All have something before upstream has sent the rest.
  const started = await Promise.all(bodies);
  goOn();
  for (const { reader, first } of started) {
    const chunks = [first];
    for (let next = await reader?.read(); next !== undefined && !next.done; next = await reader?.read()) {
      chunks.push(Buffer.from(next.value));
    }
    expect(sha256(Buffer.concat(chunks))).toBe(digest);
  }
  expect(downloads).toBe(1);
  expect((await cache.request("HEAD", `/v2/b/blobs/${digest}`)).status).toBe(200);
});

test("a blob that is not what its digest says reaches nobody whole, and is not kept", async () => {
  const digest = sha256("what it should be");
  let requests = 0;
  await using upstream = await startServer((_path, respond) => {
    requests++;
    respond(200, Buffer.from("something else!!!"), 17);
  });
  await using cache = await cacheOf(upstream);
  for (const _ of [1, 2]) {
    const answer = await cache.get(`/v2/a/blobs/${digest}`);
    await expect(answer.arrayBuffer()).rejects.toThrow();
  }
  expect(requests).toBe(2);
});

const RETRY = { attempts: 3, firstDelayMs: 5, maxDelayMs: 50 };

test.each([
  ["kept", {}],
  ["passed through", { quotaBytes: 1000 }],
])(
  "a download that is %s goes on by ranges when it breaks off, and its readers notice nothing",
  async (_how, limits) => {
    const blob = Buffer.alloc(3 << 20, "broken ");
    const digest = sha256(blob);
    const ranges: (string | undefined)[] = [];
    const { promise: reading, resolve: cut } = Promise.withResolvers<void>();
    await using upstream = await startServer((_path, respond, _method, range) => {
      ranges.push(range);
      const start = Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
      if (start > 0) return respond(206, blob.subarray(start), blob.length - start, start);
      respond(200, blob.subarray(0, 2 << 20), blob.length);
      reading.then(() => respond(-1));
    });
    await using cache = await TestRegistry.start({
      upstream: { url: upstream.url, freshMs: 0, retry: RETRY },
      ...limits,
    });
    const reader = (await cache.get(`/v2/a/blobs/${digest}`)).body?.getReader();
    const hash = createHash("sha256");
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      hash.update(part.value);
      cut();
    }
    expect(`sha256:${hash.digest("hex")}`).toBe(digest);
    expect(ranges.at(-1)).toMatch(/^bytes=[1-9]\d*-3145727$/);
    expect(ranges.filter((range) => range !== undefined)).toHaveLength(1);
  },
);

test("a download that cannot be gone on with fails its readers, and the next one begins anew", async () => {
  const blob = Buffer.alloc(1 << 20, "broken ");
  const digest = sha256(blob);
  let isBroken = true;
  await using upstream = await startServer((_path, respond, _method, range) => {
    if (!isBroken) return respond(200, blob, blob.length);
    if (range !== undefined) return respond(-1);
    respond(200, blob.subarray(0, 1000), blob.length);
    respond(-1);
  });
  await using cache = await TestRegistry.start({
    upstream: { url: upstream.url, freshMs: 0, retry: RETRY },
  });
  const broken = await cache.get(`/v2/a/blobs/${digest}`);
  await expect(broken.arrayBuffer()).rejects.toThrow();
  isBroken = false;
  const whole = await cache.get(`/v2/a/blobs/${digest}`);
  expect(sha256(Buffer.from(await whole.arrayBuffer()))).toBe(digest);
});

test("the cache logs in, and says when it may not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-proxy-"));
  writeFileSync(`${folder}/users`, "alice:$2y$05$4/M4dZviYW9IOIQF4zZkzOJ6dq4unYbfzEbnmN3cXsOBP9W0GPmg.\n");
  await using upstream = await TestRegistry.start({ access: htpasswdAccess(`${folder}/users`, "x", SILENT) });
  // Who was in the file stays known while it is away.
  rmSync(folder, { recursive: true });
  const credentials = { username: "alice", password: "secret" };
  await using cache = await TestRegistry.start({ upstream: { url: upstream.url, freshMs: 0, credentials } });
  await using stranger = await cacheOf(upstream);
  expect((await cache.get("/v2/a/manifests/x")).status).toBe(404);
  const denied = await stranger.get("/v2/a/manifests/x");
  expect([denied.status, await codeOf(denied)]).toEqual([403, "DENIED"]);
});

test("nothing is pushed into a cache", async () => {
  await using upstream = await TestRegistry.start();
  await using cache = await cacheOf(upstream);
  const answer = await cache.request("POST", "/v2/a/blobs/uploads/");
  expect([answer.status, await codeOf(answer)]).toEqual([405, "UNSUPPORTED"]);
});

test("a blob of one repository is not served from another that lacks it upstream", async () => {
  await using upstream = await TestRegistry.start();
  const { layer } = await upstream.pushImage("private/app", "v1");
  await upstream.pushImage("public/app", "v1");
  await using cache = await cacheOf(upstream);
  expect(await (await cache.get(`/v2/private/app/blobs/${layer}`)).text()).toBe("layer of private/app:v1");
  expect((await cache.get(`/v2/public/app/blobs/${layer}`)).status).toBe(404);
  await upstream.request("POST", `/v2/public/app/blobs/uploads/?mount=${layer}&from=private/app`);
  expect(await (await cache.get(`/v2/public/app/blobs/${layer}`)).text()).toBe("layer of private/app:v1");
  expect(await asked(upstream, "blob", "GET")).toBe(1);
});

test("a full cache drops what was not asked for longest, and passes through what never fits", async () => {
  await using upstream = await TestRegistry.start();
  const blobs = await Promise.all(
    [1, 2, 3].map((n) => upstream.pushBlob("a", Buffer.alloc(40_000, `blob ${n} `))),
  );
  const large = await upstream.pushBlob("a", Buffer.alloc(200_000, "large"));
  await using cache = await cacheOf(upstream, 0, { quotaBytes: 100_000 });
  const read = async (digest: string | undefined) => {
    const answer = await cache.get(`/v2/a/blobs/${digest}`);
    expect(sha256(Buffer.from(await answer.arrayBuffer()))).toBe(digest ?? "");
    // Times are in milliseconds; the next one is to be later.
    await new Promise((resolve) => setTimeout(resolve, 2));
  };
  for (const blob of blobs) await read(blob);
  expect(await asked(upstream, "blob", "GET")).toBe(3);
  await read(blobs[2]);
  await read(blobs[1]);
  expect(await asked(upstream, "blob", "GET")).toBe(3);
  await read(blobs[0]);
  expect(await asked(upstream, "blob", "GET")).toBe(4);
  await read(large);
  await read(large);
  expect(await asked(upstream, "blob", "GET")).toBe(8);
});

test("referrers are upstream's, with their filter and pages", async () => {
  await using upstream = await TestRegistry.start();
  const { bytes, digest } = await upstream.pushImage("ref", "image");
  for (const n of [1, 2]) {
    await upstream.pushBlob("ref", "{}");
    const text = manifestBytes("{}", [], {
      subject: descriptor(bytes, OCI_MANIFEST),
      artifactType: `a/${n}`,
    });
    await upstream.pushManifest("ref", sha256(text), text);
  }
  await using cache = await cacheOf(upstream);
  const filtered = await cache.get(`/v2/ref/referrers/${digest}?artifactType=a%2F1`);
  expect(filtered.headers.get("oci-filters-applied")).toBe("artifactType");
  expect(((await filtered.json()) as { manifests: object[] }).manifests).toMatchObject([
    { artifactType: "a/1" },
  ]);
  const page = await cache.get(`/v2/ref/referrers/${digest}?n=1`);
  const next = /^<(.+)>/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
  expect(((await (await cache.get(next)).json()) as { manifests: object[] }).manifests.length).toBe(1);
});

/** A registry of ill will. `respond` may be called again to send more; -1 cuts the connection; `start` is where a range begins. */
async function startServer(
  answer: (
    path: string,
    respond: (status: number, body?: Uint8Array, length?: number, start?: number) => void,
    method: string,
    range: string | undefined,
  ) => void,
): Promise<{ url: string } & AsyncDisposable> {
  const server: Server = createServer((request, response) => {
    let left = 0;
    const send = (status: number, body?: Uint8Array, length?: number, start = 0) => {
      if (status === -1) {
        // What was written still arrives.
        response.socket?.destroySoon();
        return;
      }
      if (!response.headersSent) {
        left = length ?? 0;
        const range = status === 206 ? { "content-range": `bytes ${start}-${start + left - 1}/*` } : {};
        response.writeHead(status, { "content-length": left, ...range });
      }
      left -= body?.length ?? 0;
      if (body !== undefined) response.write(body);
      if (left <= 0 || request.method === "HEAD") response.end();
    };
    answer(request.url ?? "", send, request.method ?? "", request.headers.range);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

import { afterEach, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  cutAfter,
  FaultyRegistry,
  type FaultyRegistryOptions,
  USER,
} from "../../test/registry/faulty-registry.ts";
import { digestOf, openRepository, RegistryNetwork, type RegistryRules } from "./index.ts";

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

async function registryWith(options: FaultyRegistryOptions = {}) {
  const registry = await FaultyRegistry.start(options);
  opened.push(registry);
  return registry;
}

const never = new AbortController().signal;
const RETRY = { attempts: 3, firstDelayMs: 5, maxDelayMs: 2_000 };
const networkOf = (rules: Partial<RegistryRules> = {}, more: object = {}) =>
  new RegistryNetwork({
    rules: { mirrors: [], insecure: [], ...rules },
    retry: RETRY,
    environment: {},
    ...more,
  });
const open = (registry: FaultyRegistry, credentials?: typeof USER, network = networkOf()) =>
  openRepository(network, {
    registry: registry.host,
    path: "team/app",
    ...(credentials === undefined ? {} : { credentials }),
  });

const OCI = "application/vnd.oci.image.manifest.v1+json";
const data = randomBytes(300_000);
const descriptor = { mediaType: "x", digest: digestOf(data), size: data.length };
const read = async (chunks: AsyncIterable<Uint8Array>) => Buffer.concat(await Array.fromAsync(chunks));

test("without authentication a manifest and a blob are read from plain HTTP on loopback", async () => {
  const registry = await registryWith();
  const digest = registry.addManifest("team/app", "v1", { a: 1 }, OCI);
  registry.addBlob(data);
  const repository = open(registry);
  expect(await repository.manifest("v1", never)).toMatchObject({ digest, mediaType: OCI });
  expect((await read(repository.blob(descriptor, never))).equals(data)).toBe(true);
});

test("tags are read page by page", async () => {
  const registry = await registryWith();
  for (const tag of ["a", "b", "c", "d", "e"]) registry.addManifest("team/app", tag, {}, OCI);
  expect(await open(registry).tags(never)).toEqual(["a", "b", "c", "d", "e"]);
});

test("basic authentication: with the account, without it, with a wrong one", async () => {
  const registry = await registryWith({ auth: "basic" });
  registry.addManifest("team/app", "v1", {}, OCI);
  await open(registry, USER).manifest("v1", never);
  await expect(open(registry).manifest("v1", never)).rejects.toThrow("no basic auth credentials");
  await expect(open(registry, { ...USER, password: "no" }).manifest("v1", never)).rejects.toThrow(
    "unauthorized",
  );
});

test("a bearer token is asked for once for its scope, and anew when the registry no longer takes it", async () => {
  const registry = await registryWith({ auth: "bearer" });
  registry.addManifest("team/app", "v1", {}, OCI);
  registry.addBlob(data);
  const repository = open(registry, USER);
  await repository.manifest("v1", never);
  await Promise.all([1, 2, 3].map(() => read(repository.blob(descriptor, never))));
  expect(registry.scopes).toEqual(["repository:team/app:pull"]);
  registry.expireTokens();
  await repository.manifest("v1", never);
  expect(registry.scopes).toHaveLength(2);
});

test("a token that is about to end is not used", async () => {
  const registry = await registryWith({ auth: "bearer", tokenLifetimeS: 4 });
  registry.addManifest("team/app", "v1", {}, OCI);
  const repository = open(registry);
  await repository.manifest("v1", never);
  await repository.manifest("v1", never);
  expect(registry.scopes).toHaveLength(2);
});

test("429 with Retry-After and 503 are waited for; other refusals are not", async () => {
  const registry = await registryWith();
  registry.addManifest("team/app", "v1", {}, OCI);
  const answers = [429, 503];
  registry.fault = (_request, response, path) => {
    const status = path.includes("/manifests/v1") ? answers.shift() : undefined;
    if (status === undefined) return false;
    registry.refuse(response, status, "TOOMANYREQUESTS", "slow down", { "retry-after": "1" });
    return true;
  };
  const before = performance.now();
  await open(registry).manifest("v1", never);
  expect(performance.now() - before).toBeGreaterThan(1_900);
  await expect(open(registry).manifest("v2", never)).rejects.toThrow(
    `manifest for ${registry.host}/team/app:v2 not found: manifest unknown: manifest unknown`,
  );
  expect(registry.count("/manifests/v2")).toBe(1);
});

test("a registry that goes on refusing is given up after the attempts", async () => {
  const registry = await registryWith();
  registry.fault = (_request, response, path) => {
    if (path === "/v2/") return false;
    registry.refuse(response, 503, "UNAVAILABLE", "down for today");
    return true;
  };
  await expect(open(registry).manifest("v1", never)).rejects.toThrow("unavailable: down for today");
  expect(registry.count("/manifests/v1")).toBe(RETRY.attempts);
});

test("a blob's broken connection is resumed where it broke", async () => {
  const registry = await registryWith();
  registry.addBlob(data);
  let cuts = 0;
  registry.fault = (request, response, path) => {
    if (!path.includes("/blobs/") || cuts === 2) return false;
    const start = Number(/=(\d+)/.exec(request.headers.range ?? "")?.[1] ?? 0);
    cuts++;
    const range = { "content-range": `bytes ${start}-${data.length - 1}/${data.length}` };
    return cutAfter(response, data.subarray(start), 100_000, start > 0 ? 206 : 200, start > 0 ? range : {});
  };
  expect((await read(open(registry).blob(descriptor, never))).equals(data)).toBe(true);
  const ranges = registry.requests.filter(({ line }) => line.includes("/blobs/")).map(({ range }) => range);
  expect(ranges).toEqual([undefined, "bytes=100000-299999", "bytes=200000-299999"]);
});

test("a registry without ranges is read from the start again, without a gap or a repetition", async () => {
  const registry = await registryWith();
  registry.addBlob(data);
  let first = true;
  registry.fault = (request, response, path) => {
    if (!path.includes("/blobs/")) return false;
    if (first) {
      first = false;
      return cutAfter(response, data, 150_000);
    }
    delete request.headers.range;
    return false;
  };
  expect((await read(open(registry).blob(descriptor, never))).equals(data)).toBe(true);
});

test("a truncated and an oversized blob are told apart", async () => {
  const registry = await registryWith();
  registry.blobs.set(descriptor.digest, data);
  await expect(read(open(registry).blob({ ...descriptor, size: data.length - 1 }, never))).rejects.toThrow(
    "goes on after the 299999 bytes",
  );
  registry.fault = (_request, response, path) => {
    if (!path.includes("/blobs/")) return false;
    response.writeHead(200).end();
    return true;
  };
  await expect(read(open(registry).blob(descriptor, never))).rejects.toThrow("ends after 0 of 300000 bytes");
});

test("a manifest that does not have the digest it was asked for by is refused", async () => {
  const registry = await registryWith();
  const digest = registry.addManifest("team/app", "v1", { a: 1 }, OCI);
  registry.manifests.set(`team/app ${digest}`, { bytes: Buffer.from("{}"), mediaType: OCI });
  await expect(open(registry).manifest(digest, never)).rejects.toThrow(
    "manifest verification failed for digest",
  );
});

test("a redirect is followed, and the other host does not see the credentials", async () => {
  const registry = await registryWith({ auth: "basic" });
  const storage = await registryWith();
  storage.addBlob(data);
  registry.fault = (_request, response, path) => {
    if (!path.includes("/blobs/")) return false;
    response.writeHead(307, { location: `http://${storage.host}${path}` }).end();
    return true;
  };
  expect((await read(open(registry, USER).blob(descriptor, never))).equals(data)).toBe(true);
  expect(storage.requests.map(({ authorization }) => authorization)).toEqual([undefined]);
});

test("a mirror is asked first, without the account; what it does not have comes from the registry", async () => {
  const registry = await registryWith({ auth: "basic" });
  const mirror = await registryWith();
  mirror.addManifest("cache/app", "v1", { from: "mirror" }, OCI);
  registry.addManifest("team/app", "v2", { from: "registry" }, OCI);
  const prefix = `${registry.host}/team`;
  const network = networkOf({ mirrors: [{ prefix, mirrors: ["127.0.0.1:1", `${mirror.host}/cache`] }] });
  const repository = open(registry, USER, network);
  expect(Buffer.from((await repository.manifest("v1", never)).bytes).toString()).toContain("mirror");
  expect(Buffer.from((await repository.manifest("v2", never)).bytes).toString()).toContain("registry");
  expect(mirror.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
});

test("TLS: refused when the authority is unknown, taken with the registry's own certificates, or as insecure", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-tls-"));
  try {
    const subject = ["-subj", "/CN=registry", "-addext", "subjectAltName=DNS:registry.test,IP:127.0.0.1"];
    const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
    execFileSync(
      "openssl",
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...files, ...subject],
      {
        stdio: "ignore",
      },
    );
    const tls = {
      key: readFileSync(join(folder, "key.pem"), "utf8"),
      cert: readFileSync(join(folder, "cert.pem"), "utf8"),
    };
    const registry = await registryWith({ tls });
    registry.addManifest("team/app", "v1", {}, OCI);
    // On loopback TLS is spoken, but not verified.
    await open(registry).manifest("v1", never);
    const strict = networkOf();
    strict.isInsecure = () => false;
    await expect(open(registry, undefined, strict).manifest("v1", never)).rejects.toThrow(
      "x509: certificate signed by unknown authority",
    );
    const place = join(folder, "certs.d", registry.host);
    mkdirSync(place, { recursive: true });
    execFileSync("cp", [join(folder, "cert.pem"), join(place, "ca.crt")]);
    const trusting = networkOf({}, { certificates: join(folder, "certs.d") });
    trusting.isInsecure = () => false;
    await open(registry, undefined, trusting).manifest("v1", never);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("nobody there, and a plain registry that should speak TLS, are told in Docker's words and not tried again", async () => {
  const registry = await registryWith();
  const gone = openRepository(networkOf(), { registry: "127.0.0.1:1", path: "team/app" });
  await expect(gone.manifest("v1", never)).rejects.toThrow(
    'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
  );
  const strict = networkOf();
  strict.isInsecure = () => false;
  await expect(open(registry, undefined, strict).manifest("v1", never)).rejects.toThrow(
    "http: server gave HTTP response to HTTPS client",
  );
});

test("a proxy of the environment is used for other hosts", async () => {
  const proxy = await registryWith();
  proxy.addManifest("team/app", "v1", { a: 1 }, OCI);
  const seen: string[] = [];
  proxy.fault = (request) => {
    seen.push(request.url ?? "");
    request.url = new URL(request.url ?? "/", "http://x").pathname;
    return false;
  };
  const network = networkOf(
    { insecure: ["registry.test"] },
    { environment: { HTTP_PROXY: `http://${proxy.host}` } },
  );
  network.remember("registry.test", "http");
  const repository = openRepository(network, { registry: "registry.test", path: "team/app" });
  const manifest = await repository.manifest("v1", never).catch((error) => error);
  expect(seen[0]).toBe("http://registry.test/v2/");
  expect(manifest).not.toBeInstanceOf(Error);
});

test("an abort ends a download at once", async () => {
  const registry = await registryWith();
  registry.fault = (_request, response, path) => {
    if (!path.includes("/blobs/")) return false;
    response.writeHead(200, { "content-length": data.length });
    response.write(data.subarray(0, 1000));
    return true;
  };
  const abort = new AbortController();
  const chunks = open(registry).blob(descriptor, abort.signal);
  const result = (async () => {
    for await (const _ of chunks) abort.abort();
  })();
  await expect(result).rejects.toThrow("cancelled");
});

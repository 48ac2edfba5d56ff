import { afterEach, beforeEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { FaultyRegistry } from "../../test/registry/faulty-registry.ts";
import { digestOf, openPushTarget, RegistryNetwork } from "./index.ts";

let registry: FaultyRegistry;
beforeEach(async () => {
  registry = await FaultyRegistry.start();
});
afterEach(() => registry[Symbol.asyncDispose]());

const never = new AbortController().signal;
const data = randomBytes(10 << 20);
const digest = digestOf(data);
const blob = {
  digest,
  sizeBytes: data.length,
  async *open(offset: number) {
    for (let at = offset; at < data.length; at += 1 << 16) yield data.subarray(at, at + (1 << 16));
  },
};
const target = () =>
  openPushTarget(
    new RegistryNetwork({
      rules: { mirrors: [], insecure: [] },
      environment: {},
      retry: { attempts: 3, firstDelayMs: 5, maxDelayMs: 1_000 },
    }),
    { registry: registry.host, path: "team/app" },
  );
const push = (mountFrom: readonly string[] = []) =>
  target().pushBlob(blob, { mountFrom, onBytes: () => undefined }, never);
const lines = (method: string) => registry.requests.filter(({ line }) => line.startsWith(method));

test("a blob is uploaded in one piece, once", async () => {
  expect(await push()).toEqual({ kind: "uploaded" });
  expect(registry.blobs.get(digest)?.equals(data)).toBe(true);
  expect(lines("PATCH")).toHaveLength(1);
  expect(await push()).toEqual({ kind: "exists" });
});

test("an upload that breaks goes on where the registry says it came to", async () => {
  let broken = false;
  const ranges: (string | undefined)[] = [];
  registry.fault = async (request, _response, path) => {
    if (request.method !== "PATCH") return false;
    ranges.push(request.headers["content-range"]);
    if (broken) return false;
    broken = true;
    const id = path.split("/").at(-1) ?? "";
    let bytes = Buffer.alloc(0);
    for await (const chunk of request) {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length > 1 << 20) break;
    }
    registry.uploads.set(id, bytes);
    request.socket.destroy();
    return true;
  };
  expect(await push()).toEqual({ kind: "uploaded" });
  expect(registry.blobs.get(digest)?.equals(data)).toBe(true);
  expect(ranges).toHaveLength(2);
  expect(ranges[1]).toMatch(new RegExp(`^[1-9]\\d*-${data.length - 1}$`));
  expect(registry.count("POST /v2/team/app/blobs/uploads/")).toBe(1);
});

test("a registry that takes no large requests is given chunks", async () => {
  registry.fault = (request, response) => {
    if (request.method !== "PATCH" || Number(request.headers["content-length"]) <= 8 << 20) return false;
    registry.refuse(response, 413, "SIZE_INVALID", "too large");
    return true;
  };
  expect(await push()).toEqual({ kind: "uploaded" });
  expect(registry.blobs.get(digest)?.equals(data)).toBe(true);
});

test("a blob is mounted from where it is; where it is not, it is uploaded after all", async () => {
  registry.linked.add(`other/app ${digest}`);
  expect(await push(["nowhere/app", "other/app"])).toEqual({ kind: "mounted", from: "other/app" });
  expect(await push(["nowhere/app"])).toEqual({ kind: "uploaded" });
});

test("a registry that is busy is asked again; one that refuses is not", async () => {
  const answers = [503, 429];
  registry.fault = (request, response) => {
    const status = request.method === "POST" ? answers.shift() : undefined;
    if (status === undefined) return false;
    registry.refuse(response, status, "UNAVAILABLE", "busy");
    return true;
  };
  expect(await push()).toEqual({ kind: "uploaded" });
  registry.fault = (request, response) => {
    if (request.method !== "PUT") return false;
    registry.refuse(response, 403, "DENIED", "read-only");
    return true;
  };
  await expect(target().pushManifest("v1", Buffer.from("{}"), "x", never)).rejects.toMatchObject({
    kind: "forbidden",
    message: "denied: read-only",
  });
  expect(lines("PUT /v2/team/app/manifests")).toHaveLength(1);
});

import { afterEach, beforeEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { cutAfter, FaultyRegistry } from "../../test/registry/faulty-registry.ts";
import { digestOf } from "../content/index.ts";
import { bombOf, never, openTestEngine, tarOf, textFile } from "./testing.ts";

let engine: Awaited<ReturnType<typeof openTestEngine>>;
/** Any web server would do; this one knows how to break. */
let server: FaultyRegistry;
let archive: Buffer;
beforeEach(async () => {
  engine = await openTestEngine();
  server = await FaultyRegistry.start();
  archive = await tarOf({ type: "directory", path: "etc" }, textFile("etc/file", randomBytes(300_000)));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  engine[Symbol.dispose]();
});

const EMPTY = { blobs: 0, ingests: 0, snapshots: 0, images: 0 };
const fetchImport = async (path: string, options = {}) => {
  const wanted = { repository: "app", tag: "v1", message: "", changes: [], ...options };
  return Array.fromAsync(engine.images.import(new URL(`http://${server.host}${path}`), wanted, never));
};
/** Serve the archive there, or something else for it. */
function serve(path: string, bytes: Uint8Array = archive) {
  server.fault = (_request, response, asked) => {
    if (asked !== path) return false;
    response.writeHead(200, { "content-length": bytes.length }).end(bytes);
    return true;
  };
}

test("an archive is fetched from a URL: its bytes are told, its layer is the archive's", async () => {
  serve("/root.tar");
  const messages = await fetchImport("/root.tar", {
    changes: ["CMD ls", "ENV A=b"],
    platform: "linux/arm/v7",
  });
  expect(messages[0]).toEqual({ status: `Downloading from http://${server.host}/root.tar` });
  expect(messages.at(-2)).toMatchObject({
    status: "Importing",
    progressDetail: { current: archive.length, total: archive.length },
  });
  const image = engine.images.inspect("app:v1");
  expect(messages.at(-1)).toEqual({ status: image.Id });
  expect(image).toMatchObject({
    Architecture: "arm",
    Variant: "v7",
    Comment: `Imported from http://${server.host}/root.tar`,
    Config: { Cmd: ["/bin/sh", "-c", "ls"], Env: ["A=b"] },
    RootFS: { Layers: [digestOf(archive)] },
  });
});

test("a compressed one, behind a redirect, gives the same layer", async () => {
  const compressed = gzipSync(archive);
  server.fault = (_request, response, path) => {
    if (path === "/old") response.writeHead(302, { location: "/root.tar.gz" }).end();
    if (path === "/root.tar.gz") response.writeHead(200).end(compressed);
    return path === "/old" || path === "/root.tar.gz";
  };
  await fetchImport("/old", { message: "from the old place" });
  expect(engine.images.inspect("app:v1")).toMatchObject({
    Comment: "from the old place",
    RootFS: { Layers: [digestOf(archive)] },
  });
});

test("what is not there, breaks off or is no archive leaves nothing, and the next attempt succeeds", async () => {
  await expect(fetchImport("/nope.tar")).rejects.toMatchObject({
    kind: "not-found",
    message: expect.stringContaining(
      `failed to GET http://${server.host}/nope.tar with status 404 Not Found`,
    ),
  });
  server.fault = (_request, response) => cutAfter(response, archive, 100_000);
  await expect(fetchImport("/root.tar")).rejects.toThrow("broke off: unexpected EOF");
  serve("/root.tar", randomBytes(10_000));
  await expect(fetchImport("/root.tar")).rejects.toThrow("invalid tar header");
  expect(engine.trace()).toEqual(EMPTY);
  serve("/root.tar");
  await fetchImport("/root.tar");
  expect(engine.trace().images).toBe(1);
});

test("options are checked before anything is fetched", async () => {
  serve("/root.tar");
  for (const [options, words] of [
    [{ changes: ["FROM x"] }, "from is not a valid change command"],
    [{ platform: "windows/amd64" }, "operating system is not supported"],
    [{ platform: "a/b/c/d" }, "cannot parse platform specifier"],
    [{ repository: "Upper" }, "must be lowercase"],
  ] as const) {
    await expect(fetchImport("/root.tar", options)).rejects.toThrow(words);
  }
  expect(server.requests).toEqual([]);
});

test("an archive that unpacks out of all proportion is refused and leaves nothing", async () => {
  serve("/bomb", bombOf(archive));
  await expect(fetchImport("/bomb")).rejects.toThrow(
    "unpacks to over 1073741824 bytes, out of all proportion",
  );
  expect(engine.trace()).toEqual(EMPTY);
});

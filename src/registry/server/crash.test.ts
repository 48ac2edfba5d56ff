import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GANTRY, GantryRegistry } from "../../../test/registry/gantry-registry.ts";
import { manifestBytes, OCI_MANIFEST, sha256 } from "./testing.ts";

/** `gantry registry serve` as a process of its own that is killed, and another one on what it leaves. */
let folder: string;
let running: GantryRegistry | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-registry-crash-"));
});
afterEach(async () => {
  await running?.end("SIGKILL");
  running = undefined;
  rmSync(folder, { recursive: true, force: true });
});

async function serve(...flags: string[]): Promise<string> {
  running = await GantryRegistry.start(join(folder, "storage"), flags);
  return running.url;
}

const end = async (signal: NodeJS.Signals) => running?.end(signal);

const send = (url: string, method: string, body?: string | Uint8Array, type = "application/octet-stream") =>
  fetch(url, { method, headers: { "content-type": type }, ...(body === undefined ? {} : { body }) });

async function pushBlob(url: string, bytes: string | Uint8Array): Promise<void> {
  const answer = await send(`${url}/v2/a/blobs/uploads/?digest=${sha256(bytes)}`, "POST", bytes);
  expect(answer.status).toBe(201);
}

test("killed in the middle of an upload: the next server has what arrived, and it can be gone on with", async () => {
  const bytes = Buffer.alloc(8 << 20, "0123456789abcdef");
  const first = await serve();
  const location = (await send(`${first}/v2/a/blobs/uploads/`, "POST")).headers.get("location") ?? "";
  // A chunk that is acknowledged, and one that the server dies under.
  expect((await send(first + location, "PATCH", bytes.subarray(0, 3 << 20))).status).toBe(202);
  const socket = connect(Number(new URL(first).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: ${5 << 20}\r\n\r\n`);
  const sent = new Promise((resolve) => socket.write(bytes.subarray(3 << 20, 6 << 20), resolve));
  await sent;
  await end("SIGKILL");
  socket.destroy();

  const second = await serve();
  const status = await send(second + location, "GET");
  expect(status.status).toBe(204);
  const offset = Number(status.headers.get("range")?.split("-")[1]) + 1;
  expect(offset).toBeGreaterThanOrEqual(3 << 20);
  expect(offset).toBeLessThanOrEqual(6 << 20);
  expect((await send(second + location, "PATCH", bytes.subarray(offset))).status).toBe(202);
  expect((await send(`${second}${location}?digest=${sha256(bytes)}`, "PUT")).status).toBe(201);
  const get = await send(`${second}/v2/a/blobs/${sha256(bytes)}`, "GET");
  expect(sha256(Buffer.from(await get.arrayBuffer()))).toBe(sha256(bytes));
  expect(await end("SIGTERM")).toBe(0);
});

test("killed at any moment of a stream of pushes: every tag that is there is whole, and no garbage stays", async () => {
  const url = await serve();
  const acknowledged = new Set<string>();
  const pushing = Array.from({ length: 4 }, async (_, worker) => {
    for (let n = 0; n < 1000; n++) {
      const tag = `t${worker}-${n}`;
      const [config, layer] = [`{"tag":"${tag}"}`, `${tag} `.repeat(10_000)];
      for (const blob of [config, layer]) await pushBlob(url, blob);
      const answer = await send(
        `${url}/v2/a/manifests/${tag}`,
        "PUT",
        manifestBytes(config, [layer]),
        OCI_MANIFEST,
      );
      expect(answer.status).toBe(201);
      acknowledged.add(tag);
      if (acknowledged.size === 30) await end("SIGKILL");
    }
  });
  await Promise.allSettled(pushing);
  expect(acknowledged.size).toBeGreaterThanOrEqual(30);

  const again = await serve("--gc-grace", "0s");
  const { tags } = (await (await fetch(`${again}/v2/a/tags/list`)).json()) as { tags: string[] };
  for (const tag of acknowledged) expect(tags).toContain(tag);
  const named = new Set<string>();
  for (const tag of tags) {
    const manifest = (await (await fetch(`${again}/v2/a/manifests/${tag}`)).json()) as {
      config: { digest: string };
      layers: { digest: string }[];
    };
    for (const { digest } of [manifest.config, ...manifest.layers]) {
      const blob = await fetch(`${again}/v2/a/blobs/${digest}`);
      expect(sha256(Buffer.from(await blob.arrayBuffer()))).toBe(digest);
      named.add(digest.slice("sha256:".length));
    }
  }
  // In another process, while the server runs.
  const [program = "", ...args] = GANTRY;
  const words = ["registry", "gc", "--storage", join(folder, "storage"), "--grace", "0s"];
  const gc = spawn(program, [...args, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  let report = "";
  for await (const chunk of gc.stdout) report += String(chunk);
  expect(report).toMatch(/^Deleted manifests: 0\nDeleted blobs: \d+\nTotal reclaimed space: /);
  expect(readdirSync(join(folder, "storage/blobs/sha256")).sort()).toEqual([...named].sort());
  await pushBlob(again, "and it goes on");
}, 60_000);

test("a registry without storage, or with impossible options, says so", async () => {
  await expect(serve("--htpasswd", "/nowhere")).rejects.toThrow("ENOENT");
  await expect(serve("--quota", "much")).rejects.toThrow("invalid size: 'much'");
  await expect(serve("--tls-cert", "/x")).rejects.toThrow("TLS needs both --tls-cert and --tls-key");
  await expect(serve("--token-realm", "https://x")).rejects.toThrow("tokens need all of");
  await expect(serve("--proxy", "ftp://x")).rejects.toThrow("invalid --proxy ftp://x");
});

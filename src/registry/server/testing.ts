import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../../log/index.ts";
import { openAccess } from "./access/access.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { openRegistryServer, type RegistryServer, type RegistryServerOptions } from "./server.ts";

export const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** A registry on a free port of loopback with a folder of its own, and words to talk to it. */
export class TestRegistry implements AsyncDisposable {
  readonly folder: string;
  readonly server: RegistryServer;
  readonly url: string;
  readonly port: number;
  readonly #keepFolder: boolean;

  private constructor(
    folder: string,
    server: RegistryServer,
    at: { url: string; port: number },
    keep: boolean,
  ) {
    this.folder = folder;
    this.server = server;
    this.url = at.url;
    this.port = at.port;
    this.#keepFolder = keep;
  }

  /** `storage` opens a folder that stays afterwards. */
  static async start(options: Partial<RegistryServerOptions> = {}): Promise<TestRegistry> {
    const folder = options.storage ?? mkdtempSync(join(tmpdir(), "gantry-registry-"));
    const server = await openRegistryServer({
      storage: folder,
      readOnly: false,
      deletes: true,
      access: openAccess,
      collectEveryMs: 0,
      graceMs: 0,
      collectUntagged: false,
      uploadExpiryMs: 3_600_000,
      limits: DEFAULT_LIMITS,
      log: SILENT,
      ...options,
    });
    const at = await server.listen("127.0.0.1", 0, "registry");
    return new TestRegistry(folder, server, at, options.storage !== undefined);
  }

  request(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(new URL(path, this.url), { method, redirect: "manual", ...init });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.request("GET", path, { headers });
  }

  /** Open an upload; gives its location. */
  async openUpload(repository: string, query = ""): Promise<string> {
    const answer = await this.request("POST", `/v2/${repository}/blobs/uploads/${query}`);
    if (answer.status !== 202)
      throw new Error(`opening an upload gave ${answer.status}: ${await answer.text()}`);
    return answer.headers.get("location") ?? "";
  }

  /** Upload a blob as a whole; gives its digest. */
  async pushBlob(repository: string, bytes: Uint8Array | string): Promise<string> {
    const digest = sha256(bytes);
    const location = await this.openUpload(repository);
    const answer = await this.request("PUT", `${location}?digest=${digest}`, { body: bytes });
    if (answer.status !== 201) throw new Error(`the upload gave ${answer.status}: ${await answer.text()}`);
    return digest;
  }

  /** Push an image of one small layer; gives digest and bytes of its manifest. */
  async pushImage(repository: string, tag: string, more: Record<string, unknown> = {}) {
    const [config, layer] = [`{"about":"${repository}:${tag}"}`, `layer of ${repository}:${tag}`];
    for (const blob of [config, layer]) await this.pushBlob(repository, blob);
    const bytes = manifestBytes(config, [layer], more);
    const answer = await this.pushManifest(repository, tag, bytes);
    if (answer.status !== 201) throw new Error(`the manifest gave ${answer.status}: ${await answer.text()}`);
    return { digest: sha256(bytes), bytes, layer: sha256(layer), config: sha256(config) };
  }

  pushManifest(repository: string, reference: string, bytes: string, type = OCI_MANIFEST): Promise<Response> {
    const headers = { "content-type": type };
    return this.request("PUT", `/v2/${repository}/manifests/${reference}`, { headers, body: bytes });
  }

  connect(): RawConnection {
    return new RawConnection(this.port);
  }

  /** Send bytes as they are; gives what comes back until the connection is closed, or until `enough`. */
  async raw(parts: readonly (string | Uint8Array)[], enough?: (text: string) => boolean): Promise<string> {
    using connection = this.connect();
    for (const part of parts) connection.socket.write(part);
    return await connection.until(enough);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    if (!this.#keepFolder) await rm(this.folder, { recursive: true, force: true });
  }
}

/** A connection to say things on that no HTTP client would. */
export class RawConnection implements Disposable {
  readonly socket: Socket;
  #text = "";

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    // The server may cut a connection while there is more to send.
    this.socket.on("error", () => undefined);
    this.socket.on("data", (chunk) => {
      this.#text += String(chunk);
    });
  }

  /** All that came, as soon as it is enough or the connection is closed. */
  async until(enough: (text: string) => boolean = () => false): Promise<string> {
    while (!enough(this.#text) && !this.socket.destroyed) {
      await Promise.race([once(this.socket, "data"), once(this.socket, "close")]).catch(() => undefined);
    }
    return this.#text;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";

export const sha256 = (bytes: Uint8Array | string) =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
export const sha512 = (bytes: Uint8Array | string) =>
  `sha512:${createHash("sha512").update(bytes).digest("hex")}`;

export const descriptor = (bytes: Uint8Array | string, mediaType = "application/octet-stream") => ({
  mediaType,
  digest: sha256(bytes),
  size: Buffer.byteLength(bytes),
});

/** The JSON of an image's manifest. */
export function manifestBytes(
  config: string,
  layers: readonly string[],
  more: Record<string, unknown> = {},
): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptor(config, "application/vnd.oci.image.config.v1+json"),
    layers: layers.map((layer) => descriptor(layer, "application/vnd.oci.image.layer.v1.tar")),
    ...more,
  });
}

/** The code in an error's body. */
export async function codeOf(answer: Response): Promise<string> {
  const body: unknown = await answer.json();
  const [error] = (body as { errors: { code: string; message: string }[] }).errors;
  return error?.code ?? "";
}

import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

/** What a test makes of a request; true when it has answered (or cut) it. */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
) => boolean | Promise<boolean>;

export interface FaultyRegistryOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  /** "bearer": a token server at /token of the same address; tokens live `tokenLifetimeS`. */
  readonly auth?: "basic" | "bearer";
  readonly tokenLifetimeS?: number;
}

/** Who may log in to a registry that asks. */
export const USER = { username: "jane", password: "s3cret:word" };

const digestOf = (bytes: Uint8Array | string) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** A registry in memory that does what it is told to do wrong. Enough of the distribution protocol for a client's tests. */
export class FaultyRegistry implements AsyncDisposable {
  readonly blobs = new Map<string, Buffer>();
  /** "NAME TAG-OR-DIGEST" to the document. */
  readonly manifests = new Map<string, { readonly bytes: Buffer; readonly mediaType: string }>();
  /** Blobs by repository: "NAME DIGEST". */
  readonly linked = new Set<string>();
  readonly uploads = new Map<string, Buffer>();
  /** "GET /v2/…" in their order, with what they sent to prove who they are and which part they asked for. */
  readonly requests: { readonly line: string; readonly authorization?: string; readonly range?: string }[] =
    [];
  /** Scopes that tokens were asked for. */
  readonly scopes: string[] = [];
  fault: Fault = () => false;
  readonly #options: FaultyRegistryOptions;
  readonly #server: ReturnType<typeof createServer>;
  readonly #tokens = new Map<string, number>();

  private constructor(options: FaultyRegistryOptions) {
    this.#options = options;
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      this.#handle(request, response).catch(() => response.destroy());
    };
    this.#server = options.tls === undefined ? createServer(handle) : createTlsServer(options.tls, handle);
  }

  static async start(options: FaultyRegistryOptions = {}): Promise<FaultyRegistry> {
    const registry = new FaultyRegistry(options);
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    return registry;
  }

  /** "127.0.0.1:PORT" */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  addBlob(bytes: Uint8Array): string {
    const digest = digestOf(bytes);
    this.blobs.set(digest, Buffer.from(bytes));
    return digest;
  }

  /** Keep a document under a tag and its digest. Gives the digest. */
  addManifest(name: string, tag: string, document: unknown, mediaType: string): string {
    const bytes = Buffer.from(typeof document === "string" ? document : JSON.stringify(document));
    const digest = digestOf(bytes);
    for (const reference of [tag, digest]) this.manifests.set(`${name} ${reference}`, { bytes, mediaType });
    return digest;
  }

  /** An image of these layers (plain or compressed tars) with their diffIDs. Gives config id and manifest digest. */
  addImage(
    name: string,
    tag: string,
    layers: readonly { readonly bytes: Uint8Array; readonly diffId: string }[],
    config: object = {},
  ): { id: string; digest: string; layers: string[] } {
    const document = JSON.stringify({
      created: "2024-05-06T07:08:09Z",
      architecture: "amd64",
      os: "linux",
      config: { Cmd: ["true"] },
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
      ...config,
    });
    const id = this.addBlob(Buffer.from(document));
    const manifest = {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: id, size: document.length },
      layers: layers.map(({ bytes }) => ({
        mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
        digest: this.addBlob(bytes),
        size: bytes.length,
      })),
    };
    const digest = this.addManifest(name, tag, manifest, manifest.mediaType);
    return { id, digest, layers: manifest.layers.map((layer) => layer.digest) };
  }

  /** How often a request line that contains this came. */
  count(part: string): number {
    return this.requests.filter(({ line }) => line.includes(part)).length;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://registry");
    const { authorization, range } = request.headers;
    this.requests.push({
      line: `${request.method} ${request.url}`,
      ...(authorization === undefined ? {} : { authorization }),
      ...(range === undefined ? {} : { range }),
    });
    if (await this.fault(request, response, url.pathname)) return;
    if (url.pathname === "/token") return this.#token(url, authorization, response);
    if (!this.#mayPass(authorization)) return this.#challenge(url, response);
    if (url.pathname === "/v2/") return void response.end("{}");
    const [, name = "", kind = "", rest = ""] =
      /^\/v2\/(.+?)\/(manifests|blobs|tags)\/(.+)$/.exec(url.pathname) ?? [];
    if (rest.startsWith("uploads")) return this.#upload(request, response, url, name);
    if (kind === "manifests") return this.#manifest(request, response, name, rest);
    if (kind === "blobs") return this.#blob(request, response, rest);
    if (kind === "tags") return this.#tags(response, url, name);
    this.refuse(response, 404, "NOT_FOUND", "no such page");
  }

  /** Answer with an error of the protocol. */
  refuse(response: ServerResponse, status: number, code: string, message: string, headers = {}): void {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ errors: [{ code, message }] }));
  }

  #mayPass(authorization: string | undefined): boolean {
    if (this.#options.auth === undefined) return true;
    if (this.#options.auth === "basic") return this.#isUser(authorization);
    const expires = this.#tokens.get(authorization?.replace(/^Bearer /, "") ?? "");
    return expires !== undefined && expires > Date.now();
  }

  #isUser(authorization: string | undefined): boolean {
    return authorization === `Basic ${Buffer.from(`${USER.username}:${USER.password}`).toString("base64")}`;
  }

  /** Make all tokens that were given worthless. */
  expireTokens(): void {
    this.#tokens.clear();
  }

  #challenge(url: URL, response: ServerResponse): void {
    const scheme = this.#options.tls === undefined ? "http" : "https";
    const name = /^\/v2\/(.+?)\/(manifests|blobs|tags)\//.exec(url.pathname)?.[1];
    const scope = name === undefined ? "" : `,scope="repository:${name}:pull"`;
    const header =
      this.#options.auth === "basic"
        ? 'Basic realm="test"'
        : `Bearer realm="${scheme}://${this.host}/token",service="test service"${scope}`;
    this.refuse(response, 401, "UNAUTHORIZED", "authentication required", { "www-authenticate": header });
  }

  #token(url: URL, authorization: string | undefined, response: ServerResponse): void {
    this.scopes.push(...url.searchParams.getAll("scope"));
    if (authorization !== undefined && !this.#isUser(authorization)) {
      this.refuse(response, 401, "UNAUTHORIZED", "incorrect username or password");
      return;
    }
    const token = randomUUID();
    const lifetime = this.#options.tokenLifetimeS ?? 300;
    this.#tokens.set(token, Date.now() + lifetime * 1000);
    response.end(JSON.stringify({ token, expires_in: lifetime, refresh_token: "refresh-me" }));
  }

  async #manifest(
    request: IncomingMessage,
    response: ServerResponse,
    name: string,
    reference: string,
  ): Promise<void> {
    if (request.method === "PUT") {
      const bytes = await bodyOf(request);
      const mediaType = request.headers["content-type"] ?? "";
      for (const key of [reference, digestOf(bytes)])
        this.manifests.set(`${name} ${key}`, { bytes, mediaType });
      response.writeHead(201, { "docker-content-digest": digestOf(bytes) }).end();
      return;
    }
    const found = this.manifests.get(`${name} ${reference}`);
    if (found === undefined) return this.refuse(response, 404, "MANIFEST_UNKNOWN", "manifest unknown");
    response.writeHead(200, {
      "content-type": found.mediaType,
      "content-length": found.bytes.length,
      "docker-content-digest": digestOf(found.bytes),
    });
    response.end(request.method === "HEAD" ? undefined : found.bytes);
  }

  #blob(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) {
      this.refuse(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
      return;
    }
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const part = bytes.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, {
      "content-length": part.length,
      ...(start > 0 ? { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : part);
  }

  #tags(response: ServerResponse, url: URL, name: string): void {
    const all = [...this.manifests.keys()]
      .filter((key) => key.startsWith(`${name} `) && !key.includes("sha256:"))
      .map((key) => key.slice(name.length + 1))
      .sort();
    const last = url.searchParams.get("last");
    const rest = last === null ? all : all.filter((tag) => tag > last);
    const page = rest.slice(0, 2);
    const headers =
      rest.length > 2 ? { link: `</v2/${name}/tags/list?last=${page.at(-1)}&n=2>; rel="next"` } : {};
    response.writeHead(200, headers).end(JSON.stringify({ name, tags: page }));
  }

  async #upload(request: IncomingMessage, response: ServerResponse, url: URL, name: string): Promise<void> {
    const id = url.pathname.split("/").at(-1) ?? "";
    if (request.method === "POST") {
      const mount = url.searchParams.get("mount");
      if (mount !== null && this.linked.has(`${url.searchParams.get("from")} ${mount}`)) {
        this.linked.add(`${name} ${mount}`);
        response.writeHead(201, { location: `/v2/${name}/blobs/${mount}` }).end();
        return;
      }
      const fresh = randomUUID();
      this.uploads.set(fresh, Buffer.alloc(0));
      response.writeHead(202, { location: `/v2/${name}/blobs/uploads/${fresh}`, range: "0-0" }).end();
      return;
    }
    const before = this.uploads.get(id);
    if (before === undefined) return this.refuse(response, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown");
    const here = { location: `/v2/${name}/blobs/uploads/${id}` };
    if (request.method === "GET") {
      response.writeHead(204, { ...here, range: `0-${Math.max(0, before.length - 1)}` }).end();
      return;
    }
    // What arrives before a connection breaks is kept.
    let bytes = before;
    for await (const chunk of request) {
      bytes = Buffer.concat([bytes, chunk]);
      this.uploads.set(id, bytes);
    }
    if (request.method === "PATCH") {
      response.writeHead(202, { ...here, range: `0-${bytes.length - 1}` }).end();
      return;
    }
    const digest = url.searchParams.get("digest") ?? "";
    if (digestOf(bytes) !== digest) return this.refuse(response, 400, "DIGEST_INVALID", "digest invalid");
    this.blobs.set(digest, bytes);
    this.linked.add(`${name} ${digest}`);
    this.uploads.delete(id);
    response.writeHead(201, { location: `/v2/${name}/blobs/${digest}` }).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Send so much of a blob and then cut the connection. */
export function cutAfter(
  response: ServerResponse,
  bytes: Buffer,
  count: number,
  status = 200,
  headers = {},
): true {
  response.writeHead(status, { "content-length": bytes.length, ...headers });
  response.write(bytes.subarray(0, count), () => setImmediate(() => response.destroy()));
  return true;
}

import { EngineError, invalid, unavailable } from "../errors/index.ts";
import type { RepositoryAddress } from "./client.ts";
import { RegistryConnection } from "./connection.ts";
import type { RegistryNetwork } from "./network.ts";
import { readRefusal, refusalError } from "./refusal.ts";
import { delayBefore, pause } from "./retry.ts";
import type { RegistryResponse } from "./transport.ts";
import { isTransient } from "./transport.ts";

/** A blob to be written: its name, its size, and its bytes from an offset on. */
export interface OutgoingBlob {
  readonly digest: string;
  readonly sizeBytes: number;
  open(offset: number): AsyncIterable<Uint8Array>;
}

/** How a blob came to be in the repository. */
export type BlobOutcome =
  | { readonly kind: "exists" }
  | { readonly kind: "mounted"; readonly from: string }
  | { readonly kind: "uploaded" };

/** One repository in a registry, for writing. */
export interface PushTarget {
  /** Find out whether the registry answers at all. Throws ConnectionError. */
  open(signal: AbortSignal): Promise<void>;
  /** Size of a manifest that is there already; undefined when it is not. */
  manifestExists(reference: string, signal: AbortSignal): Promise<boolean>;
  /**
   * See to it that the repository has the blob: it may be there, may be given from another repository of the same
   * registry (`mountFrom`, paths, tried in order), or is uploaded, going on where a broken connection stopped.
   * `onBytes` is told how many have been sent. Throws unauthorized, forbidden, unavailable.
   */
  pushBlob(
    blob: OutgoingBlob,
    options: { mountFrom: readonly string[]; onBytes: (sent: number) => void },
    signal: AbortSignal,
  ): Promise<BlobOutcome>;
  /** All its blobs must be there. */
  pushManifest(reference: string, bytes: Uint8Array, mediaType: string, signal: AbortSignal): Promise<void>;
}

/** Blobs up to this size go in the request that ends their upload, which saves one. */
const SMALL_BYTES = 4 << 20;
/** For registries that refuse a large blob in one request (413). */
const CHUNK_BYTES = 8 << 20;

/** Mirrors are for reading: a push goes to the registry that was named. */
export function openPushTarget(network: RegistryNetwork, address: RepositoryAddress): PushTarget {
  const endpoint = network.endpoints(address.registry, address.path).at(-1);
  if (endpoint === undefined) throw unavailable(`no registry is configured for ${address.registry}`);
  return new Target(new RegistryConnection(network, endpoint, address.credentials), network);
}

/** Where an upload has got to. */
interface Upload {
  location: URL;
  sent: number;
  /** Bytes a request; unbounded until the registry asks for less. */
  chunkBytes: number;
}

class Target implements PushTarget {
  readonly #connection: RegistryConnection;
  readonly #network: RegistryNetwork;
  readonly #base: string;
  readonly #scope: string;

  constructor(connection: RegistryConnection, network: RegistryNetwork) {
    this.#connection = connection;
    this.#network = network;
    this.#base = `/v2/${connection.endpoint.path}`;
    this.#scope = `repository:${connection.endpoint.path}:pull,push`;
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#connection.open(signal);
  }

  async manifestExists(reference: string, signal: AbortSignal): Promise<boolean> {
    const path = `${this.#base}/manifests/${reference}`;
    const headers = { accept: "*/*" };
    const response = await this.#connection.request(
      { method: "HEAD", path, headers, scopes: [this.#scope] },
      signal,
    );
    response.body.destroy();
    return response.status === 200;
  }

  async pushBlob(
    blob: OutgoingBlob,
    { mountFrom, onBytes }: { mountFrom: readonly string[]; onBytes: (sent: number) => void },
    signal: AbortSignal,
  ): Promise<BlobOutcome> {
    if (await this.#blobExists(blob, signal)) return { kind: "exists" };
    let location: URL | undefined;
    for (const from of mountFrom) {
      const begun = await this.#mount(blob, from, signal);
      if (begun === "mounted") return { kind: "mounted", from };
      location = begun;
    }
    await this.#upload(blob, location, onBytes, signal);
    return { kind: "uploaded" };
  }

  async #blobExists({ digest }: OutgoingBlob, signal: AbortSignal): Promise<boolean> {
    const path = `${this.#base}/blobs/${digest}`;
    const response = await this.#connection.request({ method: "HEAD", path, scopes: [this.#scope] }, signal);
    response.body.destroy();
    if (response.status === 200) return true;
    if (response.status === 404) return false;
    throw pushError(
      response.status === 401 || response.status === 403 ? undefined : await readRefusal(response),
      this.#base,
    );
  }

  /** "mounted", or the upload that the registry begins instead; undefined when it will not even do that. */
  async #mount(
    { digest }: OutgoingBlob,
    from: string,
    signal: AbortSignal,
  ): Promise<URL | "mounted" | undefined> {
    const query = new URLSearchParams({ mount: digest, from });
    const path = `${this.#base}/blobs/uploads/?${query}`;
    const scopes = [this.#scope, `repository:${from}:pull`];
    const response = await this.#connection.request(
      { method: "POST", path, scopes, repeatable: false },
      signal,
    );
    response.body.destroy();
    if (response.status === 201) return "mounted";
    return response.status === 202 ? this.#locationOf(response) : undefined;
  }

  /** One upload after another, each gone on with as long as its registry knows how far it came. */
  async #upload(
    blob: OutgoingBlob,
    begun: URL | undefined,
    onBytes: (sent: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { retry } = this.#network;
    let upload: Upload | undefined =
      begun === undefined ? undefined : { location: begun, sent: 0, chunkBytes: Number.POSITIVE_INFINITY };
    let chunkBytes = Number.POSITIVE_INFINITY;
    for (let failures = 0; ; ) {
      upload ??= { location: await this.#begin(signal), sent: 0, chunkBytes };
      const before = upload.sent;
      try {
        await this.#send(blob, upload, onBytes, signal);
        return;
      } catch (error) {
        const isTooLarge = error instanceof EngineError && error.fields.status === 413;
        if (isTooLarge && upload.chunkBytes > CHUNK_BYTES) {
          chunkBytes = CHUNK_BYTES;
          upload = undefined;
          continue;
        }
        failures = upload.sent > before ? 1 : failures + 1;
        const mayPass = isTransient(error) || (error instanceof EngineError && error.kind === "unavailable");
        if (signal.aborted || !mayPass || failures >= retry.attempts) throw error;
        await pause(delayBefore(failures, retry), signal);
        upload = await this.#resume(upload, signal);
      }
    }
  }

  async #begin(signal: AbortSignal): Promise<URL> {
    const request = { method: "POST", path: `${this.#base}/blobs/uploads/`, scopes: [this.#scope] } as const;
    const response = await this.#connection.request(request, signal);
    if (response.status !== 202) throw pushError(await readRefusal(response), this.#base);
    response.body.destroy();
    return this.#locationOf(response);
  }

  /** Ask how far an upload came (distribution-spec, "Pushing a blob in chunks"); undefined to begin anew. */
  async #resume(upload: Upload, signal: AbortSignal): Promise<Upload | undefined> {
    const request = { method: "GET", path: upload.location, scopes: [this.#scope] } as const;
    const response = await this.#connection.request(request, signal).catch(() => undefined);
    response?.body.destroy();
    const end = /^(?:bytes=)?0-(\d+)$/.exec(response?.headers.range ?? "")?.[1];
    // "0-0" may mean one byte or none.
    if (response?.status !== 204 || end === undefined || end === "0") return undefined;
    return { ...upload, location: this.#locationOf(response, upload.location), sent: Number(end) + 1 };
  }

  async #send(
    blob: OutgoingBlob,
    upload: Upload,
    onBytes: (sent: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const isSmall = blob.sizeBytes <= SMALL_BYTES && upload.sent === 0;
    while (!isSmall && upload.sent < blob.sizeBytes) await this.#sendPart(blob, upload, onBytes, signal);
    const location = new URL(upload.location);
    location.searchParams.set("digest", blob.digest);
    const response = await this.#connection.request(
      {
        method: "PUT",
        path: location,
        headers: { "content-type": "application/octet-stream" },
        body: isSmall ? { sizeBytes: blob.sizeBytes, open: () => blob.open(0) } : "",
        scopes: [this.#scope],
        repeatable: false,
      },
      signal,
    );
    if (response.status !== 201) throw pushError(await readRefusal(response), this.#base);
    response.body.destroy();
    onBytes(blob.sizeBytes);
  }

  async #sendPart(
    blob: OutgoingBlob,
    upload: Upload,
    onBytes: (sent: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const start = upload.sent;
    const sizeBytes = Math.min(upload.chunkBytes, blob.sizeBytes - start);
    // A blob in one piece goes without a range, as Docker's clients send it: not every registry knows them.
    const range =
      sizeBytes === blob.sizeBytes ? {} : { "content-range": `${start}-${start + sizeBytes - 1}` };
    const open = () => counted(blob.open(start), sizeBytes, (sent) => onBytes(start + sent));
    const response = await this.#connection.request(
      {
        method: "PATCH",
        path: upload.location,
        headers: { "content-type": "application/octet-stream", ...range },
        body: { sizeBytes, open },
        scopes: [this.#scope],
        repeatable: false,
      },
      signal,
    );
    if (response.status !== 202 && response.status !== 204)
      throw pushError(await readRefusal(response), this.#base);
    response.body.destroy();
    upload.location = this.#locationOf(response, upload.location);
    upload.sent = start + sizeBytes;
  }

  /** A registry behind a proxy that ends TLS may name itself without it. */
  #locationOf(response: RegistryResponse, base?: URL): URL {
    const root = base ?? response.url;
    const text = response.headers.location ?? base?.href ?? "";
    if (!URL.canParse(text, root.href)) throw unavailable("the registry gives no place to upload to");
    const location = new URL(text, root);
    if (location.hostname === root.hostname && root.protocol === "https:") location.protocol = "https:";
    return location;
  }

  async pushManifest(
    reference: string,
    bytes: Uint8Array,
    mediaType: string,
    signal: AbortSignal,
  ): Promise<void> {
    const path = `${this.#base}/manifests/${reference}`;
    const headers = { "content-type": mediaType };
    const response = await this.#connection.request(
      { method: "PUT", path, headers, body: bytes, scopes: [this.#scope] },
      signal,
    );
    if (response.status !== 201 && response.status !== 200)
      throw pushError(await readRefusal(response), this.#base);
    response.body.destroy();
  }
}

/** The first so many bytes of a stream, in pieces small enough for progress to be seen. */
async function* counted(
  source: AsyncIterable<Uint8Array>,
  sizeBytes: number,
  onBytes: (sent: number) => void,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of source) {
    const part = chunk.subarray(0, sizeBytes - sent);
    sent += part.length;
    yield part;
    onBytes(sent);
    if (sent === sizeBytes) return;
  }
  throw invalid(`a blob ended after ${sent} of ${sizeBytes} bytes`);
}

/** A registry's refusal of a push in Docker's words. */
function pushError(refusal: Awaited<ReturnType<typeof readRefusal>> | undefined, base: string): EngineError {
  if (refusal === undefined) {
    return new EngineError(
      "forbidden",
      `denied: requested access to the resource is denied: push access to ${base.slice("/v2/".length)} is refused`,
    );
  }
  return refusalError(refusal);
}

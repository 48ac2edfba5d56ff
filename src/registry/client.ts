import { EngineError, invalid, notFound, unavailable } from "../errors/index.ts";
import { familiarName } from "../reference/index.ts";
import { readBlob } from "./blob-stream.ts";
import { RegistryConnection } from "./connection.ts";
import type { Credentials } from "./credentials.ts";
import { type Descriptor, digestOf, MANIFEST_TYPES, MAX_MANIFEST_BYTES } from "./manifest.ts";
import type { RegistryNetwork } from "./network.ts";
import { sendAlong } from "./redirect.ts";
import { type Refusal, readRefusal, refusalError, refusalText } from "./refusal.ts";
import type { RegistryResponse } from "./transport.ts";

export interface RemoteManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  readonly digest: string;
}

/** One repository in a registry, for reading. Speaks the OCI distribution protocol, version 2. */
export interface Repository {
  /** The bytes of a manifest or index by tag or digest, verified when it is a digest. Throws not-found, unauthorized, unavailable. */
  manifest(reference: string, signal: AbortSignal): Promise<RemoteManifest>;
  /**
   * A blob's bytes from `offset` on. A connection that breaks is resumed where it broke, so the bytes come without a
   * gap; never more of them than the descriptor says. The reader verifies the digest. Throws not-found, unavailable.
   */
  blob(descriptor: Descriptor, signal: AbortSignal, offset?: number): AsyncIterable<Uint8Array>;
  /** All tags, page by page. */
  tags(signal: AbortSignal): Promise<string[]>;
}

export interface RepositoryAddress {
  /** Host with optional port, such as "docker.io" or "127.0.0.1:5000". */
  readonly registry: string;
  /** Path of the repository, such as "library/busybox". */
  readonly path: string;
  readonly credentials?: Credentials;
}

const MAX_TAGS = 100_000;

/** The mirrors of a repository are asked before it; what one of them cannot give is asked of the next. */
export function openRepository(network: RegistryNetwork, address: RepositoryAddress): Repository {
  const endpoints = network.endpoints(address.registry, address.path);
  const sources = endpoints.map((endpoint, at) => {
    // An account belongs to the registry that was named, not to its mirrors.
    const credentials = at === endpoints.length - 1 ? address.credentials : undefined;
    return new Source(new RegistryConnection(network, endpoint, credentials), network, address);
  });
  /** The source that answered last is asked first. */
  let current = 0;

  async function fromAny<T>(work: (source: Source) => Promise<T>): Promise<T> {
    for (let at = current; ; at++) {
      const source = sources[at];
      if (source === undefined) throw unavailable(`no registry is configured for ${address.registry}`);
      try {
        const result = await work(source);
        current = at;
        return result;
      } catch (error) {
        const isCancelled = error instanceof EngineError && error.kind === "cancelled";
        if (isCancelled || at === sources.length - 1) throw error;
      }
    }
  }

  return {
    manifest: (reference, signal) => fromAny((source) => source.manifest(reference, signal)),
    tags: (signal) => fromAny((source) => source.tags(signal)),
    async *blob(descriptor, signal, offset = 0) {
      let at = offset;
      // A registry that keeps a foreign layer after all is nearer than where it came from.
      const places = [...sources, ...(descriptor.urls ?? []).map((url) => foreignPlace(network, url))];
      for (let source = current; ; source++) {
        const from = places[source];
        if (from === undefined) throw unavailable(`no registry is configured for ${address.registry}`);
        try {
          for await (const chunk of from.blob(descriptor, signal, at)) {
            at += chunk.length;
            yield chunk;
          }
          return;
        } catch (error) {
          const isCancelled = error instanceof EngineError && error.kind === "cancelled";
          if (isCancelled || source === places.length - 1) throw error;
        }
      }
    },
  };
}

/** Where a blob may be had. */
type BlobPlace = Pick<Source, "blob">;

/** An address that a manifest gives for a foreign layer. It is somebody else's, so it sees no account. */
function foreignPlace(network: RegistryNetwork, url: string): BlobPlace {
  return {
    async *blob(descriptor, signal, offset) {
      const open = (headers: Record<string, string>) =>
        sendAlong(network, { method: "GET", url: new URL(url), headers }, signal);
      try {
        yield* readBlob({ descriptor, offset, retry: network.retry, open, signal });
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        throw new EngineError(error.kind, `foreign layer from ${url}: ${error.message}`, { cause: error });
      }
    },
  };
}

/** One endpoint of a repository: a mirror or the registry itself. */
class Source {
  readonly #connection: RegistryConnection;
  readonly #network: RegistryNetwork;
  readonly #name: string;
  readonly #scopes: readonly string[];

  constructor(connection: RegistryConnection, network: RegistryNetwork, address: RepositoryAddress) {
    this.#connection = connection;
    this.#network = network;
    this.#name = familiarName(address);
    this.#scopes = [`repository:${connection.endpoint.path}:pull`];
  }

  #get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<RegistryResponse> {
    const { endpoint } = this.#connection;
    const target = `/v2/${endpoint.path}${path}`;
    return this.#connection.request({ method: "GET", path: target, headers, scopes: this.#scopes }, signal);
  }

  async manifest(reference: string, signal: AbortSignal): Promise<RemoteManifest> {
    const response = await this.#get(
      `/manifests/${reference}`,
      { accept: MANIFEST_TYPES.join(", ") },
      signal,
    );
    if (response.status !== 200) throw pullError(await readRefusal(response), this.#name, reference);
    const bytes = await readBounded(response, MAX_MANIFEST_BYTES);
    const digest = digestOf(bytes);
    if (reference.startsWith("sha256:") && digest !== reference) {
      throw invalid(`manifest verification failed for digest ${reference}: the registry sent ${digest}`);
    }
    return { bytes, digest, mediaType: response.headers["content-type"]?.split(";")[0]?.trim() ?? "" };
  }

  blob(descriptor: Descriptor, signal: AbortSignal, offset: number): AsyncIterable<Uint8Array> {
    const open = (headers: Record<string, string>) =>
      this.#get(`/blobs/${descriptor.digest}`, headers, signal);
    return readBlob({ descriptor, offset, retry: this.#network.retry, open, signal });
  }

  async tags(signal: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    let path: string | undefined = "/tags/list";
    while (path !== undefined) {
      const response: RegistryResponse = await this.#get(path, { accept: "application/json" }, signal);
      if (response.status !== 200) throw pullError(await readRefusal(response), this.#name, undefined);
      const page = parseTags(await readBounded(response, MAX_MANIFEST_BYTES));
      tags.push(...page);
      const query = /<[^>]*\/tags\/list(\?[^>]*)>\s*;\s*rel="?next/.exec(response.headers.link ?? "")?.[1];
      // A page without tags would lead on for ever.
      path =
        query === undefined || page.length === 0 || tags.length > MAX_TAGS ? undefined : `/tags/list${query}`;
    }
    return tags;
  }
}

/** A registry's refusal of a pull in Docker's words. */
function pullError(refusal: Refusal, name: string, reference: string | undefined): EngineError {
  const separator = reference?.startsWith("sha256:") === true ? "@" : ":";
  const whole = reference === undefined ? name : `${name}${separator}${reference}`;
  const fields = { status: refusal.status, code: refusal.code };
  if (refusal.code === "DENIED") {
    return notFound(
      `pull access denied for ${name}, repository does not exist or may require 'docker login': ${refusalText(refusal)}`,
      { fields },
    );
  }
  if (refusal.code === "NAME_UNKNOWN") {
    return notFound(`repository ${name} not found: ${refusalText(refusal)}`, { fields });
  }
  if (refusal.status === 404) {
    const words =
      refusal.code === "MANIFEST_UNKNOWN" ? refusalText(refusal) : "manifest unknown: manifest unknown";
    return notFound(`manifest for ${whole} not found: ${words}`, { fields });
  }
  return refusalError(refusal);
}

function parseTags(bytes: Uint8Array): string[] {
  try {
    const { tags }: { tags: unknown } = Object(JSON.parse(Buffer.from(bytes).toString("utf8")));
    return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
  } catch (cause) {
    throw invalid("the registry's list of tags is no JSON", { cause });
  }
}

async function readBounded(response: RegistryResponse, limitBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > limitBytes) throw invalid(`the manifest is larger than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { cancelled, EngineError, invalid, notFound, unavailable } from "../errors/index.ts";
import { authorize, type Credentials } from "./authorize.ts";
import { parseChallenge } from "./challenge.ts";
import { type Descriptor, digestOf, MANIFEST_TYPES, MAX_MANIFEST_BYTES } from "./manifest.ts";

/** One repository in a registry, for pulling. Speaks the OCI distribution protocol, version 2. */
export interface Repository {
  /** The bytes of a manifest or index by tag or digest, verified when it is a digest. Throws not-found, unauthorized, unavailable. */
  manifest(
    reference: string,
    signal: AbortSignal,
  ): Promise<{ bytes: Uint8Array; mediaType: string; digest: string }>;
  /** A blob's bytes as they come; the reader verifies size and digest. */
  blob(descriptor: Descriptor, signal: AbortSignal): Promise<Readable>;
}

export interface RepositoryAddress {
  /** Host with optional port, such as "docker.io" or "127.0.0.1:5000". */
  readonly registry: string;
  /** Path of the repository, such as "library/busybox". */
  readonly path: string;
  readonly credentials?: Credentials;
}

/** Where Docker's default registry really answers. */
const HOSTS: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/;

export function openRepository(address: RepositoryAddress): Repository {
  const host = HOSTS[address.registry] ?? address.registry;
  // Docker trusts plain HTTP on loopback and nowhere else.
  const base = `${LOOPBACK.test(host) ? "http" : "https"}://${host}/v2/${address.path}`;
  const name = `${address.registry}/${address.path}`;
  let authorization: string | undefined;

  async function get(path: string, accept: string, signal: AbortSignal): Promise<Response> {
    let reply = await send(path, accept, signal);
    const challenge =
      reply.status === 401 ? parseChallenge(reply.headers.get("www-authenticate")) : undefined;
    if (challenge !== undefined) {
      await reply.body?.cancel();
      authorization = await authorize(
        challenge,
        address.credentials,
        `repository:${address.path}:pull`,
        signal,
      );
      reply = await send(path, accept, signal);
    }
    if (reply.ok) return reply;
    await reply.body?.cancel();
    if (reply.status === 404) throw notFound(`manifest unknown: ${name}${path} is not in its registry`);
    if (reply.status === 401 || reply.status === 403) {
      throw new EngineError(
        "unauthorized",
        `pull access denied for ${address.path}, repository does not exist or may require authentication`,
      );
    }
    throw unavailable(
      `registry ${address.registry} answered ${reply.status} ${reply.statusText} for ${path}`,
    );
  }

  async function send(path: string, accept: string, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { accept };
    if (authorization !== undefined) headers.authorization = authorization;
    try {
      // A redirect to another host drops the authorization header (fetch standard, HTTP-redirect fetch).
      return await fetch(`${base}${path}`, { headers, signal });
    } catch (cause) {
      if (signal.aborted) throw cancelled(`the pull of ${name} was cancelled`, { cause });
      throw unavailable(`Get "${base}${path}": the registry ${address.registry} cannot be reached`, {
        cause,
      });
    }
  }

  return {
    async manifest(reference, signal) {
      const reply = await get(`/manifests/${reference}`, MANIFEST_TYPES.join(", "), signal);
      const bytes = await readBounded(reply, MAX_MANIFEST_BYTES);
      const digest = digestOf(bytes);
      if (reference.startsWith("sha256:") && digest !== reference) {
        throw invalid(`manifest verification failed for digest ${reference}: the registry sent ${digest}`);
      }
      return { bytes, digest, mediaType: reply.headers.get("content-type")?.split(";")[0] ?? "" };
    },
    async blob(descriptor, signal) {
      const reply = await get(`/blobs/${descriptor.digest}`, "*/*", signal);
      if (reply.body === null)
        throw unavailable(`registry ${address.registry} sent no body for ${descriptor.digest}`);
      return Readable.fromWeb(reply.body as ReadableStream<Uint8Array>);
    },
  };
}

async function readBounded(reply: Response, limitBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of reply.body ?? []) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > limitBytes) throw invalid(`the manifest is larger than ${limitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

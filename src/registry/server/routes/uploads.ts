import type { IncomingMessage } from "node:http";
import { RegistryError } from "../errors.ts";
import { bodyOf, contentLength } from "../http/body.ts";
import { type Exchange, type Headers, sendNothing } from "../http/exchange.ts";
import { algorithmOf, type BlobDigest, parseAlgorithm, parseDigest, parseRepositoryName } from "../names.ts";
import type { Registry } from "../registry.ts";
import type { Upload } from "../storage/uploads.ts";
import { checkPushable, type Routes, to } from "./route.ts";

/** POST /v2/NAME/blobs/uploads/: open an upload, send a whole blob, or mount one (end-4a, end-4b, end-4c, end-11). */
export function openUploadRoutes(registry: Registry, repository: string): Routes {
  return {
    POST: {
      access: to(repository, "pull", "push"),
      async run(exchange) {
        checkPushable(registry);
        const { uploads } = registry.storage;
        const { query } = exchange;
        const mount = query.get("mount");
        if (mount !== null) {
          const digest = parseDigest(mount);
          if (mountBlob(registry, exchange, repository, digest))
            return sendCreated(exchange, repository, digest);
        }
        const digest = query.get("digest");
        if (digest !== null && mount === null)
          return sendWhole(registry, exchange, repository, parseDigest(digest));
        const id = uploads.begin(repository, parseAlgorithm(query.get("digest-algorithm") ?? "sha256"));
        sendNothing(exchange, 202, { ...progress(repository, id, 0), "Content-Length": 0 });
      },
    },
  };
}

/** GET, PATCH, PUT and DELETE of an upload's location (end-13, end-5, end-6). */
export function uploadRoutes(registry: Registry, repository: string, id: string): Routes {
  const access = to(repository, "pull", "push");
  const { uploads } = registry.storage;
  return {
    GET: {
      access,
      run: (exchange) => sendNothing(exchange, 204, progress(repository, id, uploads.sizeOf(repository, id))),
    },
    PATCH: {
      access,
      async run(exchange) {
        checkPushable(registry);
        using upload = await uploads.take(repository, id);
        await appendChunk(registry, exchange, repository, upload);
        sendNothing(exchange, 202, progress(repository, id, upload.sizeBytes));
      },
    },
    PUT: {
      access,
      async run(exchange) {
        checkPushable(registry);
        const digest = parseDigest(exchange.query.get("digest") ?? "");
        using upload = await uploads.take(repository, id);
        await appendChunk(registry, exchange, repository, upload);
        await upload.finish(digest);
        sendCreated(exchange, repository, digest);
      },
    },
    DELETE: {
      access,
      async run(exchange) {
        using upload = await uploads.take(repository, id);
        await upload.cancel();
        sendNothing(exchange, 204);
      },
    },
  };
}

/** Relative, so that it holds whatever name or proxy the client came by. */
const progress = (repository: string, id: string, sizeBytes: number): Headers => ({
  Location: `/v2/${repository}/blobs/uploads/${id}`,
  Range: `0-${Math.max(sizeBytes - 1, 0)}`,
  "Docker-Upload-UUID": id,
});

function sendCreated(exchange: Exchange, repository: string, digest: BlobDigest): void {
  sendNothing(exchange, 201, {
    Location: `/v2/${repository}/blobs/${digest}`,
    "Docker-Content-Digest": digest,
  });
}

/**
 * Give the repository a blob that another one has, when the client may pull from there: the one named by "from", or any
 * (the spec's automatic content discovery). False when there is none such, or it may not; an upload then follows.
 */
function mountBlob(
  { storage }: Registry,
  { query, identity }: Exchange,
  repository: string,
  digest: BlobDigest,
) {
  const from = query.get("from");
  const sources = from === null ? storage.blobs.repositoriesWith(digest) : [parseRepositoryName(from)];
  return storage.store.transaction(() => {
    const source = sources.find(
      (name) => identity.may(to(name, "pull")) && storage.blobs.sizeIn(name, digest) !== undefined,
    );
    if (source === undefined) return false;
    storage.blobs.link(storage.repositories.ensure(repository), digest);
    return true;
  });
}

async function sendWhole(registry: Registry, exchange: Exchange, repository: string, digest: BlobDigest) {
  const { uploads } = registry.storage;
  using upload = await uploads.take(repository, uploads.begin(repository, algorithmOf(digest)));
  try {
    await append(registry, exchange.request, upload, undefined);
    await upload.finish(digest);
  } catch (error) {
    await upload.cancel();
    throw error;
  }
  sendCreated(exchange, repository, digest);
}

/** Append a request's body, which must continue where the upload stands if it says where it belongs. */
async function appendChunk(registry: Registry, { request }: Exchange, repository: string, upload: Upload) {
  const before = upload.sizeBytes;
  const chunk = parseContentRange(request);
  if (chunk !== undefined && chunk.start !== before) {
    throw new RegistryError(
      "BLOB_UPLOAD_INVALID",
      `the chunk starts at ${chunk.start}, but the upload stands at ${before}`,
      {
        status: 416,
        headers: stringHeaders(progress(repository, upload.id, before)),
      },
    );
  }
  try {
    await append(registry, request, upload, chunk?.length);
  } catch (error) {
    if (error instanceof RegistryError && error.code === "DENIED") await upload.cancel();
    throw error;
  }
}

const stringHeaders = (headers: Headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

/** The inclusive range in a chunk's Content-Range, "0-99". Throws BLOB_UPLOAD_INVALID, or SIZE_INVALID when the body's length is another. */
function parseContentRange(request: IncomingMessage): { start: number; length: number } | undefined {
  const header = request.headers["content-range"];
  if (header === undefined) return undefined;
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(header) ?? [];
  const [start, end] = [Number(first), Number(last)];
  if (first === undefined || end < start) {
    throw new RegistryError("BLOB_UPLOAD_INVALID", "invalid Content-Range: want START-END, both included", {
      status: 416,
    });
  }
  const length = end - start + 1;
  const announced = contentLength(request);
  if (announced !== undefined && announced !== length) throw new WrongLength(length, announced);
  return { start, length };
}

/** A body that is not as long as its Content-Range says. */
class WrongLength extends RegistryError {
  constructor(expected: number, found: number) {
    super("SIZE_INVALID", `the Content-Range speaks of ${expected} bytes, the body has ${found}`);
  }
}

/** Append a body of exactly `length` bytes, when given; one of another length leaves the upload as it was. */
async function append(
  { storage, metrics, limits }: Registry,
  request: IncomingMessage,
  upload: Upload,
  length: number | undefined,
) {
  storage.quota.check(contentLength(request) ?? 0);
  const before = upload.sizeBytes;
  try {
    await upload.append(
      length === undefined ? bodyOf(request, limits) : exactly(bodyOf(request, limits), length),
    );
  } catch (error) {
    if (error instanceof WrongLength) await upload.truncate(before);
    throw error;
  } finally {
    metrics.add("received_blob_bytes_total", "Bytes of blobs received.", {}, upload.sizeBytes - before);
  }
}

async function* exactly(body: AsyncIterable<Buffer>, length: number): AsyncGenerator<Buffer> {
  let sizeBytes = 0;
  for await (const chunk of body) {
    sizeBytes += chunk.length;
    if (sizeBytes > length) throw new WrongLength(length, sizeBytes);
    yield chunk;
  }
  if (sizeBytes !== length) throw new WrongLength(length, sizeBytes);
}

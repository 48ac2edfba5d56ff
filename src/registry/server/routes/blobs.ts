import { type FileHandle, open } from "node:fs/promises";
import { errnoOf } from "../../../errors/index.ts";
import { RegistryError } from "../errors.ts";
import { blobHeaders, unknownBlob } from "../http/blob-headers.ts";
import { matchesNone, parseRange } from "../http/conditional.ts";
import { type Exchange, sendNothing } from "../http/exchange.ts";
import { sendFile } from "../http/send-file.ts";
import type { BlobDigest } from "../names.ts";
import type { Registry } from "../registry.ts";
import { checkDeletable, type Routes, to } from "./route.ts";

/** GET, HEAD and DELETE /v2/NAME/blobs/DIGEST (end-2, end-10). */
export function blobRoutes(registry: Registry, repository: string, digest: BlobDigest): Routes {
  return {
    GET: {
      access: to(repository, "pull"),
      run: (exchange) => sendBlob(registry, exchange, repository, digest),
    },
    DELETE: {
      access: to(repository, "delete"),
      run(exchange) {
        checkDeletable(registry);
        if (!registry.storage.blobs.unlink(repository, digest)) throw unknownBlob(digest);
        sendNothing(exchange, 202);
      },
    },
  };
}

async function sendBlob(registry: Registry, exchange: Exchange, repository: string, digest: BlobDigest) {
  const { storage, cache, buffers } = registry;
  let sizeBytes = storage.blobs.sizeIn(repository, digest);
  if (sizeBytes === undefined) {
    if ((await cache?.sendBlob(exchange, repository, digest)) === "sent") return;
    sizeBytes = storage.blobs.sizeIn(repository, digest);
  }
  if (sizeBytes === undefined) throw unknownBlob(digest);
  const { request, response, method, gone } = exchange;
  const etag = `"${digest}"`;
  const headers = blobHeaders(digest);
  if (matchesNone(request.headers["if-none-match"], etag)) return sendNothing(exchange, 304, headers);
  const range = parseRange(request.headers.range, request.headers["if-range"]?.toString(), etag, sizeBytes);
  if (range.kind === "unsatisfiable") {
    throw new RegistryError("SIZE_INVALID", "the range asked for lies outside of the blob", {
      status: 416,
      headers: { "Content-Range": `bytes */${sizeBytes}` },
    });
  }
  await using file = await openBlob(storage.files.path(digest), digest);
  const { start, end } = range.kind === "part" ? range : { start: 0, end: sizeBytes - 1 };
  response.writeHead(range.kind === "part" ? 206 : 200, {
    ...headers,
    "Content-Length": end - start + 1,
    ...(range.kind === "part" ? { "Content-Range": `bytes ${start}-${end}/${sizeBytes}` } : {}),
  });
  if (method === "HEAD") response.end();
  else {
    registry.metrics.add("sent_blob_bytes_total", "Bytes of blobs sent.", {}, end - start + 1);
    await sendFile(response, file, { start, end }, buffers, gone);
  }
}

/** Throws BLOB_UNKNOWN when garbage collection was faster. */
async function openBlob(path: string, digest: BlobDigest): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw unknownBlob(digest);
    throw error;
  }
}

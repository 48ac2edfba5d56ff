import { RegistryError } from "../errors.ts";
import { accepts } from "../http/accept.ts";
import { readSmallBody } from "../http/body.ts";
import { matchesNone } from "../http/conditional.ts";
import { type Exchange, sendBytes, sendNothing } from "../http/exchange.ts";
import { MAX_MANIFEST_BYTES, type ManifestDocument, parseManifest } from "../manifest-document.ts";
import { algorithmOf, digestOf, type ManifestReference, parseTag } from "../names.ts";
import type { Registry } from "../registry.ts";
import type { ManifestRow } from "../storage/manifest-table.ts";
import { checkDeletable, checkPushable, type Routes, to } from "./route.ts";

/** GET, HEAD, PUT and DELETE /v2/NAME/manifests/REFERENCE (end-3, end-7, end-9; with a digest, PUT takes further tags as ?tag=, end-7b of the spec after 1.1). */
export function manifestRoutes(registry: Registry, repository: string, reference: ManifestReference): Routes {
  return {
    GET: {
      access: to(repository, "pull"),
      run: (exchange) => sendManifest(registry, exchange, repository, reference),
    },
    PUT: {
      access: to(repository, "pull", "push"),
      run: (exchange) => putManifest(registry, exchange, repository, reference),
    },
    DELETE: {
      access: to(repository, "delete"),
      run(exchange) {
        checkDeletable(registry);
        const { store, manifests } = registry.storage;
        if (!store.transaction(() => manifests.delete(repository, reference)))
          throw unknownManifest(reference);
        sendNothing(exchange, 202);
      },
    },
  };
}

const unknownManifest = (reference: ManifestReference) =>
  new RegistryError("MANIFEST_UNKNOWN", "manifest unknown", { detail: reference });

async function sendManifest(
  registry: Registry,
  exchange: Exchange,
  repository: string,
  reference: ManifestReference,
) {
  const { manifests } = registry.storage;
  const staleness = await registry.cache?.refreshManifest(repository, reference);
  const row = manifests.find(repository, reference);
  if (row === undefined) throw unknownManifest(reference);
  checkAcceptable(exchange, row, reference);
  const headers = {
    "Content-Type": row.mediaType,
    "Docker-Content-Digest": row.digest,
    ETag: `"${row.digest}"`,
    ...(staleness === "stale" ? { Warning: '110 - "Response is Stale"' } : {}),
  };
  if (matchesNone(exchange.request.headers["if-none-match"], headers.ETag))
    return sendNothing(exchange, 304, headers);
  if (exchange.method === "HEAD") {
    exchange.response.writeHead(200, { ...headers, "Content-Length": row.sizeBytes }).end();
    return;
  }
  const content = manifests.content(repository, row.digest);
  if (content === undefined) throw unknownManifest(reference);
  sendBytes(exchange, 200, headers, content);
}

/** A tag may stand for several types, so the client's list counts; a digest stands for exactly these bytes. */
function checkAcceptable(
  { request }: Exchange,
  { mediaType }: ManifestRow,
  reference: ManifestReference,
): void {
  if ("digest" in reference || accepts(request.headers.accept, mediaType)) return;
  throw new RegistryError(
    "MANIFEST_UNKNOWN",
    `the manifest is a ${mediaType}, which the request does not accept`,
    {
      detail: reference,
    },
  );
}

async function putManifest(
  registry: Registry,
  exchange: Exchange,
  repository: string,
  reference: ManifestReference,
) {
  checkPushable(registry);
  const { storage } = registry;
  const content = await readSmallBody(exchange.request, MAX_MANIFEST_BYTES, registry.limits);
  const document = parseManifest(content, exchange.request.headers["content-type"]);
  const digest = digestOf(content, "digest" in reference ? algorithmOf(reference.digest) : "sha256");
  if ("digest" in reference && reference.digest !== digest) {
    throw new RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content", {
      detail: { expected: reference.digest, received: digest },
    });
  }
  const tags = "tag" in reference ? [reference.tag] : exchange.query.getAll("tag").map(parseTag);
  storage.quota.check(content.length);
  storage.store.transaction(() => {
    checkNeeds(registry, repository, document);
    storage.manifests.put(
      storage.repositories.ensure(repository),
      {
        digest,
        content,
        mediaType: document.mediaType,
        artifactType: document.artifactType,
        subject: document.subject,
        annotations: document.annotations,
        references: [...document.blobs, ...document.manifests].map((needed) => needed.digest),
      },
      tags,
    );
  });
  sendNothing(exchange, 201, {
    Location: `/v2/${repository}/manifests/${digest}`,
    "Docker-Content-Digest": digest,
    ...("digest" in reference && tags.length > 0 ? { "OCI-Tag": tags.join(", ") } : {}),
    ...(document.subject === undefined ? {} : { "OCI-Subject": document.subject }),
  });
}

/** What a manifest names must be in its repository, and be as long as it says. Throws MANIFEST_BLOB_UNKNOWN, MANIFEST_INVALID. */
function checkNeeds({ storage }: Registry, repository: string, { blobs, manifests }: ManifestDocument): void {
  const found = [
    ...blobs.map((blob) => ({ ...blob, actual: storage.blobs.sizeIn(repository, blob.digest) })),
    ...manifests.map((manifest) => ({
      ...manifest,
      actual: storage.manifests.find(repository, manifest)?.sizeBytes,
    })),
  ];
  const missing = found.filter(({ actual }) => actual === undefined).map(({ digest }) => digest);
  if (missing.length > 0) {
    throw new RegistryError(
      "MANIFEST_BLOB_UNKNOWN",
      `the manifest names ${missing[0]}, which the repository does not have`,
      {
        detail: { digests: missing.slice(0, 100) },
      },
    );
  }
  for (const { digest, sizeBytes, actual } of found) {
    if (actual === sizeBytes) continue;
    throw new RegistryError(
      "MANIFEST_INVALID",
      `the manifest says that ${digest} has ${sizeBytes} bytes, it has ${actual}`,
    );
  }
}

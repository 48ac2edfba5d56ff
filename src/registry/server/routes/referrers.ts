import { sendJson } from "../http/exchange.ts";
import { linkToNext, parsePage } from "../http/paging.ts";
import { OCI_INDEX } from "../manifest-document.ts";
import type { BlobDigest } from "../names.ts";
import type { Registry } from "../registry.ts";
import type { Referrer } from "../storage/manifest-table.ts";
import { type Routes, to } from "./route.ts";

/** Annotations are copied in, so an answer stays small only with few entries. */
const MAX_PAGE = 100;

/** GET /v2/NAME/referrers/DIGEST?artifactType= (end-12a, end-12b): the manifests that name this one as their subject. */
export function referrerRoutes({ storage, cache }: Registry, repository: string, digest: BlobDigest): Routes {
  return {
    GET: {
      access: to(repository, "pull"),
      async run(exchange) {
        const asked = parsePage(exchange.query);
        const page = { ...asked, limit: Math.min(asked.limit, MAX_PAGE) };
        const artifactType = exchange.query.get("artifactType") ?? undefined;
        const upstream = await cache?.referrers(repository, digest, exchange.query, exchange.gone);
        if (upstream !== undefined) return sendJson(exchange, upstream.index, upstream.headers);
        const { items, more } = storage.manifests.referrers(repository, digest, artifactType, page);
        const filter: Record<string, string> = artifactType === undefined ? {} : { artifactType };
        const next = { more, last: items.at(-1)?.digest };
        sendJson(
          exchange,
          { schemaVersion: 2, mediaType: OCI_INDEX, manifests: items.map(descriptor) },
          {
            "Content-Type": OCI_INDEX,
            ...(artifactType === undefined ? {} : { "OCI-Filters-Applied": "artifactType" }),
            ...linkToNext(`/v2/${repository}/referrers/${digest}`, page, next, filter),
          },
        );
      },
    },
  };
}

const descriptor = ({ mediaType, digest, sizeBytes, artifactType, annotations }: Referrer) => ({
  mediaType,
  digest,
  size: sizeBytes,
  artifactType,
  annotations,
});

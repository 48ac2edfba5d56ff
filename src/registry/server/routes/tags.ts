import { RegistryError } from "../errors.ts";
import { sendJson } from "../http/exchange.ts";
import { linkToNext, parsePage } from "../http/paging.ts";
import type { Registry } from "../registry.ts";
import { type Routes, to } from "./route.ts";

/** GET /v2/NAME/tags/list (end-8a, end-8b). */
export function tagRoutes({ storage, cache }: Registry, repository: string): Routes {
  return {
    GET: {
      access: to(repository, "pull"),
      async run(exchange) {
        const page = parsePage(exchange.query);
        const upstream = await cache?.tags(repository, page, exchange.gone);
        const id = storage.repositories.idOf(repository);
        if (upstream === undefined && id === undefined) {
          throw new RegistryError("NAME_UNKNOWN", "repository name not known to registry", {
            detail: { name: repository },
          });
        }
        const { items, more } = upstream ?? storage.manifests.tags(id ?? 0, page);
        const link = linkToNext(`/v2/${repository}/tags/list`, page, { more, last: items.at(-1) });
        sendJson(exchange, { name: repository, tags: items }, link);
      },
    },
  };
}

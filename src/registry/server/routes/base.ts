import { sendJson } from "../http/exchange.ts";
import { linkToNext, parsePage } from "../http/paging.ts";
import type { Registry } from "../registry.ts";
import type { Routes } from "./route.ts";

/** GET /v2/: that the protocol is spoken here, and where a login is tried (end-1). */
export function baseRoutes(): Routes {
  const GET: Routes[string] = { access: "known", run: (exchange) => sendJson(exchange, {}) };
  return { GET };
}

/** GET /v2/_catalog: the names of all repositories (docker/distribution, docs/spec/api.md "Catalog"). */
export function catalogRoutes({ storage }: Registry): Routes {
  return {
    GET: {
      access: { catalog: true },
      run(exchange) {
        const page = parsePage(exchange.query);
        const { items, more } = storage.repositories.list(page);
        const link = linkToNext("/v2/_catalog", page, { more, last: items.at(-1) });
        sendJson(exchange, { repositories: items }, link);
      },
    },
  };
}

import { sendJson } from "../http/exchange.ts";
import type { Registry } from "../registry.ts";
import type { Routes } from "./route.ts";

const DEFAULT_PAGE = 25;
const MAX_PAGE = 100;
const MAX_TERM = 255;

/** GET /v1/_ping: docker looks here for a registry that can search before it does. */
export function searchPingRoutes(): Routes {
  return {
    GET: {
      access: "anybody",
      run: (exchange) => sendJson(exchange, {}, { "X-Docker-Registry-Standalone": "true" }),
    },
  };
}

/** GET /v1/search?q=TERM&n=&page=: what docker search asks (docker/docker-hub's v1 API); an empty term finds all. */
export function searchRoutes({ storage }: Registry): Routes {
  return {
    GET: {
      access: { catalog: true },
      run(exchange) {
        const { query } = exchange;
        const term = (query.get("q") ?? "").toLowerCase().slice(0, MAX_TERM);
        const size = Math.min(Math.max(number(query.get("n"), DEFAULT_PAGE), 1), MAX_PAGE);
        const page = Math.max(number(query.get("page"), 1), 1);
        const { total, found } = storage.repositories.search(term, size, (page - 1) * size);
        sendJson(exchange, {
          query: term,
          num_results: total,
          num_pages: Math.ceil(total / size),
          page,
          page_size: size,
          results: found.map(({ name, description }) => ({
            name,
            description,
            star_count: 0,
            is_official: false,
            is_automated: false,
          })),
        });
      },
    },
  };
}

function number(text: string | null, fallback: number): number {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : fallback;
}

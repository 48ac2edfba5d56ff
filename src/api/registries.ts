import { invalid } from "../errors/index.ts";
import { credentialsOf, parseRegistryAuth } from "../registry/index.ts";
import { type Exchange, readJson, sendJson } from "./exchange.ts";
import type { Routes } from "./router.ts";

const SEARCH_FILTERS = ["is-automated", "is-official", "stars"];

export const registryRoutes: Routes = {
  "POST /auth": async (x) => {
    const credentials = credentialsOf(await readJson(x));
    if (credentials === undefined) throw invalid("no credentials were given");
    sendJson(x, 200, await x.engine.images.login(credentials, x.gone));
  },
  "GET /images/search": async (x) => {
    const question = {
      term: x.query.string("term"),
      limit: x.query.integer("limit"),
      filters: x.query.filters(SEARCH_FILTERS),
      credentials: accountOf(x),
    };
    sendJson(x, 200, await x.engine.images.search(question, x.gone));
  },
  "GET /distribution/{name}/json": async (x) => {
    sendJson(x, 200, await x.engine.images.distribution(x.path.name ?? "", accountOf(x), x.gone));
  },
};

/** The account that a client sends along for the registry in question. Throws invalid. */
export const accountOf = (x: Exchange) => parseRegistryAuth(x.request.headers["x-registry-auth"]?.toString());

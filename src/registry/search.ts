import { EngineError, invalid, unavailable, unsupported } from "../errors/index.ts";
import { DEFAULT_REGISTRY } from "../reference/index.ts";
import { RegistryConnection } from "./connection.ts";
import type { Credentials } from "./credentials.ts";
import type { RegistryNetwork } from "./network.ts";
import { readText } from "./transport.ts";

/** A repository that a registry found. */
export interface SearchHit {
  readonly name: string;
  readonly description: string;
  readonly starCount: number;
  readonly isOfficial: boolean;
  readonly isAutomated: boolean;
}

/** Docker's registry searches at another address than it serves at. */
const DOCKER_INDEX = "index.docker.io";
const MAX_REPLY_BYTES = 4 << 20;

/**
 * Ask a registry for repositories (GET /v1/search, Docker's own addition to the protocol). Throws unsupported when the
 * registry does not search, unavailable when it cannot be reached.
 */
export async function searchRegistry(
  network: RegistryNetwork,
  question: { registry: string; term: string; limit: number; credentials: Credentials | undefined },
  signal: AbortSignal,
): Promise<SearchHit[]> {
  const { registry, term, limit, credentials } = question;
  const host = registry === DEFAULT_REGISTRY ? DOCKER_INDEX : registry;
  const connection = new RegistryConnection(network, { host, path: "", scheme: undefined }, credentials);
  const query = new URLSearchParams({ q: term, n: String(limit) });
  // A registry of tokens that searches has a scope for its catalogue (distribution project, token scopes).
  const request = { method: "GET", path: `/v1/search?${query}`, scopes: ["registry:catalog:*"] } as const;
  const response = await connection.request(request, signal);
  const text = await readText(response, MAX_REPLY_BYTES);
  if (response.status === 200) return parseHits(registry, text);
  if (response.status === 401 || response.status === 403)
    throw new EngineError("unauthorized", `searching ${registry} is not allowed: log in to it first`);
  if (response.status === 404 || response.status === 405)
    throw unsupported(`the registry ${registry} cannot be searched: it has no search endpoint (/v1/search)`);
  throw unavailable(`the registry ${registry} answered ${response.status} to the search`);
}

function parseHits(registry: string, text: string): SearchHit[] {
  let results: unknown;
  try {
    results = Object(JSON.parse(text)).results;
  } catch (cause) {
    throw unsupported(`the registry ${registry} cannot be searched: its answer is no JSON`, { cause });
  }
  if (!Array.isArray(results)) throw invalid(`the registry ${registry} gave no list of results`);
  return results.map((item) => {
    const { name, description, star_count, is_official, is_automated } = Object(item);
    return {
      name: typeof name === "string" ? name : "",
      description: typeof description === "string" ? description : "",
      starCount: typeof star_count === "number" ? star_count : 0,
      isOfficial: is_official === true,
      isAutomated: is_automated === true,
    };
  });
}

import { RegistryError } from "../errors.ts";
import type { Page } from "../storage/rows.ts";

/** Entries of a page when the client names no number or a larger one. */
const MAX_PAGE = 10_000;

/** The page that `n` and `last` ask for. Throws PAGINATION_NUMBER_INVALID. */
export function parsePage(query: URLSearchParams): Page {
  const n = query.get("n");
  if (n !== null && !/^\d{1,12}$/.test(n)) {
    throw new RegistryError("PAGINATION_NUMBER_INVALID", "invalid number of results requested", {
      detail: { n: n.slice(0, 50) },
    });
  }
  return {
    limit: Math.min(n === null ? MAX_PAGE : Number(n), MAX_PAGE),
    after: query.get("last") ?? undefined,
  };
}

/** The header that leads to the next page (RFC 8288); none when there is no further one. */
export function linkToNext(
  path: string,
  { limit }: Page,
  { more, last }: { more: boolean; last: string | undefined },
  others: Readonly<Record<string, string>> = {},
): Record<string, string> {
  if (!more || last === undefined) return {};
  const query = new URLSearchParams({ n: String(limit), last, ...others });
  return { Link: `<${path}?${query}>; rel="next"` };
}
